"""Pods that `chaosk8s` deletes. Those that are not running, or on their way out already, are not counted among them."""

from __future__ import annotations

import math
import random
import re
from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from harness.chaos.arguments import Name, Selector
from harness.chaos.blast import Blow
from harness.chaos.borrowed.base import Borrowed, Hits, Least, Pattern, Scene
from harness.chaos.borrowed.following import followed
from harness.chaos.context import Context
from harness.chaos.pods import LEFT_WITHIN_S
from harness.chaos.strike import Strike
from harness.errors import FaultError
from harness.kube import Kube, Pod


class _Deleting(Borrowed):
    kind: ClassVar[str] = "delete_pods"

    label_selector: Selector | None = None
    ns: Name = "default"

    def least(self) -> Least:
        return Least(pods=1, seconds=1)

    @abstractmethod
    def _pattern(self) -> str | None:
        """What the names of the pods must match."""

    @abstractmethod
    def _some(self, pods: list[Pod], seed: int) -> list[Pod]:
        """Those of the pods that are to go; they are given by name."""

    @model_validator(mode="after")
    def _aims_at_some(self) -> _Deleting:
        if self.label_selector is None and self._pattern() is None:
            raise ValueError("it aims at every pod of the namespace; say label_selector, or a pattern of names")
        return self

    def aim(self, scene: Scene) -> Blow:
        scene.kube.guard(self.ns)
        pattern = re.compile(self._pattern() or "")
        there = [p for p in scene.kube.pods(self.ns, self.label_selector or "") if pattern.search(p.name)]
        running = [pod for pod in there if pod.phase == "Running" and not pod.deleting]
        if not (some := self._some(running, scene.seed)):
            raise FaultError(f"{self.home} with {self.words} matches no running pod in {self.ns}")
        return Blow(some)

    @abstractmethod
    def _delete(self, kube: Kube, names: str) -> object:
        """Have their function delete the pods whose names match."""

    def act(self, context: Context) -> Hits:
        pods = list(self.aimed(context).pods)
        strike = Strike.begin(context, self.kind, self.ns, self.words, Blow(pods), settled=True)
        these = f"^({'|'.join(re.escape(pod.name) for pod in pods)})$"
        return followed(strike, pods, lambda: self._delete(context.kube, these), LEFT_WITHIN_S, by=self.home)


class TerminatePods(_Deleting):
    """`grace_period` below 0 is the one that the pods ask for."""

    home: ClassVar[str] = "chaosk8s.pod.actions.terminate_pods"

    name_pattern: Pattern | None = None
    all: bool = False
    rand: bool = False
    mode: Literal["fixed", "percentage"] = "fixed"
    qty: Annotated[int, Field(ge=1, le=10_000)] = 1
    grace_period: Annotated[int, Field(ge=-1, le=3600)] = -1
    order: Literal["alphabetic", "oldest"] = "alphabetic"

    def _pattern(self) -> str | None:
        return self.name_pattern

    def least(self) -> Least:
        counted = not self.all and self.mode == "fixed"
        return Least(pods=self.qty if counted else 1, seconds=1)

    def _some(self, pods: list[Pod], seed: int) -> list[Pod]:
        found = sorted(pods, key=lambda pod: pod.created) if self.order == "oldest" else pods
        if self.all:
            return found
        share = math.ceil(self.qty * len(found) / 100) if self.mode == "percentage" else self.qty
        count = min(share, len(found))
        return random.Random(seed).sample(found, count) if self.rand else found[:count]  # noqa: S311

    def _delete(self, kube: Kube, names: str) -> object:
        return self.call(kube, name_pattern=names, all=True, grace_period=self.grace_period, ns=self.ns)


class DeletePods(_Deleting):
    """The old name of `terminate_pods`, which deletes one pod."""

    home: ClassVar[str] = "chaosk8s.pod.actions.delete_pods"

    name: Pattern | None = None

    def _pattern(self) -> str | None:
        return self.name

    def _some(self, pods: list[Pod], seed: int) -> list[Pod]:
        return pods[:1]

    def _delete(self, kube: Kube, names: str) -> object:
        return self.call(kube, name=names, ns=self.ns)

"""What all actions of `chaosk8s` have in common, as an experiment may call them."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.errors import FaultError
from harness.kube import Kube, Pod

Hits = list[dict[str, Any]]


@dataclass(frozen=True)
class Scene:
    """What is looked at to see what an action would hit: `namespaces` are the stack's own."""

    kube: Kube
    namespaces: Sequence[str]
    seed: int

    @staticmethod
    def of(context: Context) -> Scene:
        return Scene(context.kube, context.namespaces, context.seed)


@dataclass(frozen=True)
class Least:
    """What the arguments alone ask of `blast`."""

    pods: int = 0
    nodes: int = 0
    seconds: float = 0.0


class Borrowed(BaseModel):
    """One call: the arguments that are allowed, what it hits, and how it is done. `kind` is the kind of fault that it
    is, by our own name for that, so that it is judged alike."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    home: ClassVar[str]
    kind: ClassVar[str]
    when: ClassVar[str] = ""  # what decides in the end, where only the moment does
    made: ClassVar[str] = ""  # the kind of object that it has Chaos Mesh work on, if it does
    door: ClassVar[str] = ""  # the module by which it speaks to a cluster, where that is not its own

    @property
    def namespace(self) -> str:
        """Where it aims, or nothing where it aims at what is in no namespace."""
        return str(getattr(self, "ns", ""))

    @property
    def words(self) -> str:
        """What it is aimed at, in the words of its arguments."""
        said = self.model_dump(exclude_defaults=True)
        return ", ".join(f"{name} {value}" for name, value in said.items())

    @abstractmethod
    def least(self) -> Least:
        """What `blast` must declare at the least."""

    @abstractmethod
    def aim(self, scene: Scene) -> Blow:
        """What it would hit now. Raises `FaultError` where that is nothing."""

    def of(self, scene: Scene) -> Sequence[Pod]:
        """The pods of which the moment decides which ones it hits; nothing where that is known."""
        return ()

    def grows(self, scene: Scene) -> bool:
        """Whether it makes pods more, and hits none."""
        return False

    @abstractmethod
    def act(self, context: Context) -> Any:
        """Do it: guarded, recorded and proved."""

    def aimed(self, context: Context) -> Blow:
        """As `aim`, right before the fault: one that would hit nothing is recorded as such, so that it is not passed
        over."""
        try:
            return self.aim(Scene.of(context))
        except FaultError as nothing:
            target: dict[str, object] = {"kind": "Selector", "name": self.words, "namespace": self.namespace}
            fault = context.begin(self.kind, target, {"by": self.home})
            context.record(fault, self.kind, "ended", evidence={"because": str(nothing)})
            raise

    def call(self, kube: Kube, **arguments: Any) -> Any:
        """Their own function, in our cluster. Raises `FaultError` where it gives up."""
        home, _, func = self.home.rpartition(".")
        module = import_module(home)
        with kube.lent_to(import_module(self.door or home)):
            try:
                return getattr(module, func)(**arguments)
            except Exception as cause:  # theirs, the client library's, or a defect of theirs
                said = str(cause).strip().splitlines() or [""]
                raise FaultError(f"{self.home} gave up: {type(cause).__name__}: {said[0]}") from cause


def _chooses_some(pattern: str) -> str:
    if "${" in pattern:
        raise ValueError("it is written out here: what was checked is what runs")
    try:
        found = re.compile(pattern)
    except re.error as cause:
        raise ValueError(f"it is no regular expression: {cause}") from cause
    if found.search(""):
        raise ValueError("it matches every name; say a part of the names that are meant")
    return pattern


Pattern = Annotated[str, AfterValidator(_chooses_some)]

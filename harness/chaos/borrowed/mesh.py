"""Faults that `chaosk8s` has Chaos Mesh inject: an object says whom to hit and how, and Chaos Mesh does it.

Its word that it was done is no proof. It names the pods that it chose; what happened to these is measured by us, before
and after. Every object is ours from its first moment, and has an end of its own, should nobody be left to undo it.
"""

from __future__ import annotations

import math
import re
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from harness.chaos.arguments import Labels, Name
from harness.chaos.blast import Blow
from harness.chaos.borrowed.base import Borrowed, Hits, Least, Scene
from harness.chaos.context import Context
from harness.chaos.strike import Strike
from harness.errors import FaultError, OutOfReach
from harness.kube import Kube, Mesh, Pod
from harness.kube.mesh import NETWORK, STRESS, VERSION, marked

INJECTED_WITHIN_S = 60.0
EVERY_S = 0.5
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
Proof = Callable[[Strike], None]


def seconds(text: str) -> float:
    """Of a time as Go writes it: 1500ms, 30s, 1m30s. Raises `ValueError`."""
    if not text or _DURATION.sub("", text):
        raise ValueError(f"{text!r} is not a time, such as 500ms or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


def within(least_s: float, most_s: float) -> Callable[[str], str]:
    """A check that a time lies between these."""

    def check(text: str) -> str:
        if not least_s <= seconds(text) <= most_s:
            raise ValueError(f"{text} is not between {least_s:g} s and {most_s:g} s")
        return text

    return check


def _mode(mode: str) -> str:
    if mode in ("fixed", "random-max-percent"):
        raise ValueError(f"chaosk8s leaves out the number that {mode} needs, so Chaos Mesh would refuse it")
    if mode not in ("one", "all", "fixed-percent"):
        raise ValueError(f"{mode!r} is not one, all or fixed-percent")
    return mode


Mode = Annotated[str, AfterValidator(_mode)]
Percent = Annotated[str, Field(pattern=r"^([1-9][0-9]?|100)$")]
Names = str | list[str] | None


class OnMesh(Borrowed):
    """One fault of Chaos Mesh, on pods of the namespace that its object is in."""

    model_config = ConfigDict(validate_default=True)

    door: ClassVar[str] = "chaosk8s.crd.actions"
    when: ClassVar[str] = "as Chaos Mesh chooses"

    name: Name
    ns: Name = "default"
    namespaces_selectors: Names = None
    label_selectors: Labels
    mode: Mode = "one"
    mode_value: Percent | None = None

    @model_validator(mode="after")
    def _means_one_namespace(self) -> OnMesh:
        for field in ("namespaces_selectors", "target_namespaces_selectors"):
            said = getattr(self, field, None) or []
            if set(said.split(",") if isinstance(said, str) else said) - {self.ns}:
                raise ValueError(f"{field} may name {self.ns} alone, which is where the object is (ns)")
        if (self.mode == "fixed-percent") != (self.mode_value is not None):
            raise ValueError("mode_value goes with mode fixed-percent, and that with mode_value")
        return self

    def least(self) -> Least:
        return Least(pods=1, seconds=1)

    def lasts_s(self) -> float:
        """The longest that it can last by its own arguments; 0 where they do not say."""
        return 0.0

    @abstractmethod
    def before(self, kube: Kube, pods: Sequence[Pod], closing: ExitStack) -> Proof:
        """Measure how it is with these pods now, and return what proves that it has changed for those that were hit.

        Raises `FaultError` where it cannot be measured; then nothing is injected.
        """

    def aim(self, scene: Scene) -> Blow:
        pods = self._candidates(scene)
        return Blow(pods[: self._most(len(pods))], seconds=self.lasts_s())

    def of(self, scene: Scene) -> Sequence[Pod]:
        return () if self.mode == "all" else self._candidates(scene)

    def _most(self, count: int) -> int:
        """How many of so many pods Chaos Mesh may choose."""
        share = math.ceil(count * int(self.mode_value) / 100) if self.mode_value else 1
        return count if self.mode == "all" else share

    def _candidates(self, scene: Scene) -> list[Pod]:
        if self.made not in scene.kube.meshes.kinds:
            raise OutOfReach(f"{self.home} needs Chaos Mesh, and the cluster has no {self.made} of {VERSION}")
        if self.ns not in scene.namespaces:
            raise FaultError(f"{self.home} aims at {self.ns}, and the undo looks into {', '.join(scene.namespaces)}")
        if (there := scene.kube.meshes.read(self.made, self.ns, self.name)) is not None:
            raise FaultError(f"there is a {there} already; delete it, or take another name")
        return running(scene.kube, self.ns, self.label_selectors, self.home)

    def act(self, context: Context) -> Hits:
        blow = self.aimed(context)
        pods = self._candidates(Scene.of(context))
        sure = self.mode == "all"
        strike = Strike.begin(context, self.kind, self.ns, self.words, blow, settled=sure, on_nodes=False)
        with ExitStack() as closing:
            prove = self.before(context.kube, pods, closing)
            self._inject(strike, {pod.key: pod for pod in pods})
            prove(strike)
        return strike.end()

    def _inject(self, strike: Strike, known: dict[str, Pod]) -> None:
        """Have it injected, and record the pods that Chaos Mesh says it chose: hit since before it was asked."""
        context, kube = strike.context, strike.context.kube
        t, deadline = context.recorder.now(), time.monotonic() + INJECTED_WITHIN_S
        with _marking(self.home, math.ceil(context.blast.seconds)):
            made = self.call(kube, **self.model_dump(exclude_none=True))
        if made.get("kind") != self.made:  # a name that is taken is no error to chaosk8s
            raise FaultError(f"{self.made} {self.ns}/{self.name} was not made: {made.get('message')}")
        while True:
            found = kube.meshes.read(self.made, self.ns, self.name)
            self._hit(strike, found, known, t)
            if found is not None and found.whole:
                return
            if time.monotonic() >= deadline:
                why = found.trouble if found else "it is gone"
                late = f"{self.made} {self.ns}/{self.name} was not injected within {INJECTED_WITHIN_S:g} s"
                raise FaultError(f"{late}; Chaos Mesh says: {why or 'nothing'}")
            time.sleep(EVERY_S)

    def _hit(self, strike: Strike, found: Mesh | None, known: dict[str, Pod], t: int) -> None:
        new = (found.pods if found else frozenset()) - {victim.pod.key for victim in strike.victims}
        if new - known.keys():  # made since we looked
            known |= {pod.key: pod for pod in strike.context.kube.pods(self.ns)}
        for key in sorted(new & known.keys()):
            strike.hit(known[key], None, t, by=self.home)


def running(kube: Kube, namespace: str, labels: str, home: str) -> list[Pod]:
    """The running pods with these labels. Raises `FaultError` where there is none."""
    kube.guard(namespace)
    found = [pod for pod in kube.pods(namespace, labels) if pod.phase == "Running" and not pod.deleting]
    if not found:
        raise FaultError(f"{home}: {labels!r} matches no running pod in {namespace}")
    return found


@contextmanager
def _marking(home: str, seconds: float) -> Iterator[None]:
    """Have what is made there bear our label, and end by itself."""
    theirs: Any = import_module(home.rpartition(".")[0])
    create = theirs.create_custom_object

    def ours(*words: str, resource: dict[str, Any], **more: Any) -> Any:
        return create(*words, resource=marked(resource, seconds), **more)

    theirs.create_custom_object = ours
    try:
        yield
    finally:
        theirs.create_custom_object = create


class _Ending(Borrowed):
    """What takes a fault of ours back; the undo does so as well, so it may be gone already."""

    kind: ClassVar[str] = "undo"
    door: ClassVar[str] = "chaosk8s.crd.actions"

    name: Name
    ns: Name = "default"

    def least(self) -> Least:
        return Least()

    def aim(self, scene: Scene) -> Blow:
        return Blow()

    def act(self, context: Context) -> dict[str, Any]:
        kube = context.kube
        kube.confirm(self.ns)
        found = kube.meshes.read(self.made, self.ns, self.name) if self.made in kube.meshes.kinds else None
        if found is None:
            return {}
        if not found.ours:
            raise FaultError(f"{found} is not one that this suite made; nothing was deleted")
        said: dict[str, Any] = self.call(kube, name=self.name, ns=self.ns)
        kube.meshes.wait_gone(found)
        return said


class DeleteNetworkFault(_Ending):
    home: ClassVar[str] = "chaosk8s.chaosmesh.network.actions.delete_network_fault"
    made: ClassVar[str] = NETWORK


class DeleteStressor(_Ending):
    home: ClassVar[str] = "chaosk8s.chaosmesh.stress.actions.delete_stressor"
    made: ClassVar[str] = STRESS

"""Networks that `chaosk8s` has Chaos Mesh break: between pods of two sides, all packets lost, or each one late."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from harness.chaos import crossing, delays
from harness.chaos.arguments import Labels
from harness.chaos.blast import Blow
from harness.chaos.borrowed.base import Scene
from harness.chaos.borrowed.mesh import Names, OnMesh, Proof, running, seconds, within
from harness.chaos.strike import Strike
from harness.errors import FaultError
from harness.kube import Kube, Pod
from harness.kube.mesh import NETWORK

SHORTEST_S, LONGEST_S = 0.01, 2.0  # below, a busy machine does as much; above, it is a cut
WHOLE = 100.0
Share = Annotated[str, Field(pattern=r"^([0-9]{1,2}|100)$")]


def _both(direction: str) -> str:
    """Chaos Mesh goes by the addresses of pods, on what leaves a pod: to a Service's address, that is another."""
    if direction != "both":
        raise ValueError("it must be 'both': one way alone, whatever goes through a Service gets across")
    return direction


def _all(mode: str) -> str:
    if mode != "all":
        raise ValueError("it must be 'all': whom pods are cut off from has to be known to be proved")
    return mode


def _whole(loss: str) -> str:
    try:
        share = float(loss)
    except ValueError:
        share = 0.0
    if share != WHOLE:
        raise ValueError("it must be '100': that a part of the packets is lost cannot be proved yet")
    return loss


class _OnNetwork(OnMesh):
    """Between pods, and those that `target_label_selectors` finds."""

    made: ClassVar[str] = NETWORK

    direction: Annotated[str, AfterValidator(_both)] = "to"
    target_mode: Annotated[str, AfterValidator(_all)] = "one"
    target_namespaces_selectors: Names = None
    target_label_selectors: Labels

    def aim(self, scene: Scene) -> Blow:
        blow = super().aim(scene)
        self._others(scene.kube, self._candidates(scene))
        return blow

    def _others(self, kube: Kube, pods: Sequence[Pod]) -> list[Pod]:
        others = running(kube, self.ns, self.target_label_selectors, self.home)
        if {pod.uid for pod in pods} & {other.uid for other in others}:
            raise FaultError(f"{self.home}: some pods are on both sides, and none is cut off from itself")
        return others

    def _ways(self, kube: Kube, pods: Sequence[Pod]) -> dict[str, list[crossing.Way]]:
        others = self._others(kube, pods)
        return {pod.uid: crossing.ways(pod, others) for pod in pods}


class SetLoss(_OnNetwork):
    """All packets are lost: a partition."""

    home: ClassVar[str] = "chaosk8s.chaosmesh.network.actions.set_loss"
    kind: ClassVar[str] = "cut_off"

    loss: Annotated[str, AfterValidator(_whole)]

    def before(self, kube: Kube, pods: Sequence[Pod], closing: ExitStack) -> Proof:
        ways = self._ways(kube, pods)
        tries = {uid: crossing.tried(kube, some, closing) for uid, some in ways.items()}

        def prove(strike: Strike) -> None:
            hit = [victim for victim in strike.victims if victim.pod.uid in tries]
            cut = [way for victim in hit for way in ways[victim.pod.uid]]
            strike.context.again.append(lambda: crossing.shut(kube, cut))
            still = crossing.wait_cut({victim.pod.uid: tries[victim.pod.uid] for victim in hit})
            for victim in hit:
                found = still[victim.pod.uid]
                strike.prove(victim, cut=not found, still_across=found, tried=len(tries[victim.pod.uid]))

        return prove


class AddLatency(_OnNetwork):
    """Each packet is late, both ways: so is each connection, twice."""

    home: ClassVar[str] = "chaosk8s.chaosmesh.network.actions.add_latency"
    kind: ClassVar[str] = "delay"

    latency: Annotated[str, AfterValidator(within(SHORTEST_S, LONGEST_S))]
    jitter: Annotated[str, AfterValidator(within(0, LONGEST_S))] = "0ms"
    correlation: Share | None = None

    @model_validator(mode="after")
    def _stays_a_delay(self) -> AddLatency:
        if seconds(self.jitter) > seconds(self.latency) / 2:
            raise ValueError("jitter is more than half of latency, so that the delay could not be told from chance")
        return self

    def before(self, kube: Kube, pods: Sequence[Pod], closing: ExitStack) -> Proof:
        asked_s = seconds(self.latency)
        ways = self._ways(kube, pods)
        tries = {uid: delays.timed(kube, some, asked_s, closing) for uid, some in ways.items()}

        def prove(strike: Strike) -> None:
            hit = [victim for victim in strike.victims if victim.pod.uid in tries]
            before = {one.way: one.before_ms for victim in hit for one in tries[victim.pod.uid]}
            strike.context.again.append(lambda: delays.slow(kube, before, asked_s))
            found = delays.wait_grown({victim.pod.uid: tries[victim.pod.uid] for victim in hit}, asked_s)
            for victim in hit:
                strike.prove(victim, asked_ms=1000 * asked_s, connect_ms=found[victim.pod.uid])

        return prove

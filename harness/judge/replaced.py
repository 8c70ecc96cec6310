"""When was what had been killed replaced? Each target counts from its own hit."""

from __future__ import annotations

from dataclasses import dataclass

from harness.history import Event, History
from harness.judge.checks import some
from harness.judge.faults import IN_PLACE, serves, targets


class UnknowableError(Exception):
    """The history cannot say when this phase came; the message says why."""


@dataclass(frozen=True)
class Toll:
    """What had been killed of a component up to a hit, against what had been there before the first.

    `old` says how often each had been started again; `again` are those that stay, to be started once more. A
    replacement that was killed itself is among the `gone`, and asks for no second one beside its own.
    """

    old: dict[str | None, int]
    again: frozenset[str | None]
    gone: frozenset[str | None]
    count: int

    @classmethod
    def of(cls, history: History, component: str, until: int) -> Toll:
        killed = [t for t in targets(history) if t.component == component and t.injected <= until]
        pods = [e for e in history.events if e.source == "pod"]
        unseen = [t.name for t in killed if not any(e.uid == t.uid and e.t <= t.injected for e in pods)]
        if unseen or not component:
            raise UnknowableError(f"{some(unseen) or 'a pod of no component'} was not watched before the fault")
        old = {e.uid: _restarts(e) for e in pods if e.t <= killed[0].injected}
        again = frozenset(target.uid for target in killed if target.action in IN_PLACE)
        gone = frozenset(target.uid for target in killed) - again
        return cls(old, again, gone, sum(target.uid in old for target in killed))

    @property
    def no_replacements(self) -> frozenset[str | None]:
        """Pods that are none, however Ready they are."""
        return frozenset(self.old.keys() | self.gone) - self.again


def replaced(history: History, component: str, hit: int) -> int | None:
    """When as many new pods were Ready at once as had been killed up to the `hit`; None where that never was.

    Raises `UnknowableError` where what was killed had not been watched.
    """
    toll = Toll.of(history, component, hit)
    pods = [e for e in history.events if e.source == "pod"]
    ready: set[str | None] = set()
    enough = False
    for event in pods:
        if event.t > hit and enough:
            return hit
        if event.value.get("component") != component or event.uid in toll.gone:
            continue
        if event.uid in toll.old and not (event.uid in toll.again and _lasts(event, pods, toll.old[event.uid])):
            continue
        (ready.add if serves(event) else ready.discard)(event.uid)
        enough = len(ready) >= toll.count
        if enough and event.t > hit:
            return event.t
    return None


def _lasts(event: Event, pods: list[Event], before: int) -> bool:
    """Whether this is of a container that was started again, from when on its pod stayed Ready.

    The kubelet counts the restart before it looks at the new container, and may still call the pod Ready meanwhile.
    """
    later = [e for e in pods if e.uid == event.uid and e.t > event.t]
    return _restarts(event) > before and all(e.value.get("ready") is True for e in later)


def _restarts(event: Event) -> int:
    """How often its containers had been started again: what a pod is known by that is not replaced by another."""
    count = event.value.get("restarts")
    return count if isinstance(count, int) else 0

"""When were the killed pods replaced? Each target counts from its own hit."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.history import Event, History
from harness.judge.checks import some
from harness.judge.faults import IN_PLACE, NODE_OFF, Target, serves, targets
from harness.records import MOST_T
from harness.samples import Ints


class UnknowableError(Exception):
    """The history cannot say when this phase came; the message says why."""


@dataclass(frozen=True)
class _Changes:
    """When the number of Ready pods changed, and `by` how many; each counts for hits in [since, until)."""

    t: Ints
    by: Ints
    since: Ints
    until: Ints


@dataclass(frozen=True)
class Toll:
    """What was killed of a component, against what was there before the first hit.

    A replacement that was itself killed is among the `gone`, and does not raise the number of pods to replace.
    """

    history: History
    killed: tuple[Target, ...]

    @classmethod
    def of(cls, history: History, component: str) -> Toll:
        return cls(history, tuple(t for t in targets(history) if t.component == component))

    def count(self, hit: int) -> int:
        """How many of the original pods were killed up to a hit. Raises `UnknowableError`."""
        unseen = [name for t, name in self._unwatched if t <= hit]
        if unseen or not self.killed[0].component:
            raise UnknowableError(f"{some(unseen) or 'a pod of no component'} was not watched before the fault")
        return bisect_right(self._hits, hit)

    def no_replacements(self, hit: int) -> frozenset[str | None]:
        """Pods that are no replacements, however Ready they are."""
        again = {uid for uid, t in self._again.items() if t <= hit}
        gone = {uid for uid, t in self._gone.items() if t <= hit}
        return frozenset((self._old.keys() | gone) - again)

    def replaced(self, hit: int) -> int | None:
        """When as many new pods were Ready at once as had been killed up to the hit, or None if that never was.

        Raises `UnknowableError` if a pod that was killed had not been watched.
        """
        wanted, changes = self.count(hit), self._changes
        ready = np.cumsum(np.where((changes.since <= hit) & (hit < changes.until), changes.by, 0))
        after = int(np.searchsorted(changes.t, hit, side="right"))
        if after and ready[after - 1] >= wanted and self.history.seen("pod")[-1].t > hit:
            return hit
        enough = np.flatnonzero(ready[after:] >= wanted)
        return int(changes.t[after + enough[0]]) if len(enough) else None

    @cached_property
    def _old(self) -> dict[str | None, int]:
        """How often each pod that was there before the first hit had been restarted."""
        return {e.uid: _restarts(e) for e in self.history.seen("pod") if e.t <= self.killed[0].injected}

    @cached_property
    def _hits(self) -> list[int]:
        return [t.injected for t in self.killed if t.uid in self._old]

    @cached_property
    def _again(self) -> dict[str | None, int]:
        """Pods that stay and are started again, with the time of their hit: those hit in place, and those that were not
        evicted from a node before it was on again."""
        return {t.uid: t.injected for t in self.killed if t.action in IN_PLACE or self._is_back(t)}

    @cached_property
    def _gone(self) -> dict[str | None, int]:
        return {t.uid: t.injected for t in self.killed if t.uid not in self._again}

    def _is_back(self, target: Target) -> bool:
        known = target.action == NODE_OFF and target.uid in self._old
        return known and any(serves(e) and self._lasts(e) for e in self.history.of_pod(target.uid))

    @cached_property
    def _unwatched(self) -> list[tuple[int, str]]:
        seen = self.history.of_pod
        return [(t.injected, t.name) for t in self.killed if not any(e.t <= t.injected for e in seen(t.uid))]

    @cached_property
    def _changes(self) -> _Changes:
        """Of all pods that may be replacements: an original pod once it was hit in place and restarted, a later one
        until it was itself killed."""
        rows: list[tuple[int, int, int, int]] = []
        ready: set[str | None] = set()
        for event in self.history.seen("pod"):
            uid = event.uid
            if event.value.get("component") != self.killed[0].component:
                continue
            if uid in self._old and not (uid in self._again and self._lasts(event)):
                continue
            by = serves(event) - (uid in ready)
            (ready.add if serves(event) else ready.discard)(uid)
            since = self._again[uid] if uid in self._old else 0
            rows.append((event.t, by, since, self._gone.get(uid, MOST_T + 1)))
        return _Changes(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)

    def _lasts(self, event: Event) -> bool:
        """Whether this shows a container that was restarted, in a pod that has stayed Ready since.

        The kubelet counts the restart before it looks at the new container, and may still call the pod Ready meanwhile.
        """
        later = [e for e in self.history.of_pod(event.uid) if e.t > event.t]
        return _restarts(event) > self._old[event.uid] and all(e.value.get("ready") is True for e in later)


def _restarts(event: Event) -> int:
    """How often its containers were restarted: the only sign that a pod was replaced in place."""
    count = event.value.get("restarts")
    return count if isinstance(count, int) else 0

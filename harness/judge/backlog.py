"""When there was more work than the pods had room for, were pods added in time, and removed again afterwards?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.errors import HistoryError
from harness.history import History
from harness.judge.came import Coming, judged
from harness.judge.checks import some, unknown, when
from harness.judge.faults import Target, serves, targets
from harness.judge.observers import MARKS, PODS
from harness.judge.runs import Run, first_starts, runs
from harness.outcome import Check
from harness.slo import Bound

ACTION = "overload"


@dataclass(frozen=True)
class Backlog:
    """The runs triggered at once, by id, and when the first task of each began; times in ns."""

    since: int
    asked: dict[str, Run]
    began: dict[str, int]

    @property
    def longest_wait(self) -> int:
        """From a run's acceptance to its first task."""
        waits = (began - answered for name, began in self.began.items() if (answered := self.asked[name].answered))
        return max(waits, default=0)


def backlog(history: History, target: Target) -> Backlog:
    """The runs triggered while this pod was overloaded. Raises `HistoryError` if the record does not say when."""
    try:
        since, until = int(target.said["since"]), int(target.said["until"])
    except (KeyError, TypeError, ValueError) as cause:
        raise HistoryError(f"an overload must say since and until; it is {target.said!r}") from cause
    asked = {
        n: r for n, r in history.once(runs).items() if since <= r.invoked < until and r.tasks and r.answer != "fail"
    }
    began = first_starts((mark for mark in history.marks if mark.dag_run in asked), lambda mark: mark.dag_run)
    return Backlog(since, asked, began)


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Judge the bounds that are set; most experiments set none. Raises `HistoryError` if the record is damaged."""
    judges: dict[str, Callable[[_Scene, Bound], Check]] = {
        "scaling.out": _out,
        "scaling.backlog": _cleared,
        "scaling.in": _in,
    }
    wanted = {name: judge for name, judge in judges.items() if name in bounds}
    if not wanted:
        return ()
    hit = next((target for target in targets(history) if target.action == ACTION), None)
    if hit is None:
        return tuple(unknown(bounds[name], "No pod was overloaded") for name in wanted)
    scene = _Scene(history, hit, backlog(history, hit))
    return tuple(judge(scene, bounds[name]) for name, judge in wanted.items())


@dataclass(frozen=True)
class _Moment:
    """How many pods of a component there are from `t` on, and how many of them are Ready."""

    t: int
    there: int
    ready: int


@dataclass(frozen=True)
class _Scene:
    history: History
    hit: Target
    backlog: Backlog

    @property
    def t(self) -> int:
        return self.backlog.since

    @property
    def before(self) -> int:
        """How many pods there were when the load came."""
        return sum(target.action == ACTION for target in targets(self.history))

    def fleet(self) -> list[_Moment]:
        """Every change in the component's pods since the load came."""
        there: set[str | None] = set()
        ready: set[str | None] = set()
        found = []
        for event in self.history.seen("pod"):
            if event.value.get("component") == self.hit.component:
                (there.discard if event.what == "deleted" else there.add)(event.uid)
                (ready.add if serves(event) else ready.discard)(event.uid)
                if event.t >= self.t:
                    found.append(_Moment(event.t, len(there), len(ready)))
        return found

    def judge(self, bound: Bound, what: str, since: int, t: int | None, observer: tuple[str, str]) -> Check:
        """`t` is None if it was not seen before the history ended."""
        if t is None and self.history.problem is not None:
            return unknown(bound, f"{what} never came, but the history is not whole")
        since = min(since, self.history.last_t)
        return judged(self.history, bound, Coming(what, since, t, observer), f" after {when(since, None)}")


def _out(scene: _Scene, bound: Bound) -> Check:
    what = f"A {scene.hit.component} pod more than the {scene.before} that there were, and Ready,"
    more = [moment.t for moment in scene.fleet() if moment.ready > scene.before]
    return scene.judge(bound, what, scene.t, more[0] if more else None, PODS)


def _cleared(scene: _Scene, bound: Bound) -> Check:
    if not scene.backlog.asked:
        return unknown(bound, "No run was asked for in the overload")
    what = f"The first task of the last of {len(scene.backlog.asked)} runs"
    waiting = scene.backlog.asked.keys() - scene.backlog.began.keys()
    if waiting:
        return scene.judge(bound, f"{what} ({some(sorted(waiting))})", scene.t, None, MARKS)
    return scene.judge(bound, what, scene.t, max(scene.backlog.began.values()), MARKS)


def _in(scene: _Scene, bound: Bound) -> Check:
    ends = [run.ended for run in scene.backlog.asked.values()]
    if not ends or None in ends:
        return unknown(bound, "Not every run of the overload was seen to end")
    fleet = scene.fleet()
    if all(moment.there <= scene.before for moment in fleet):
        return unknown(bound, f"No {scene.hit.component} pod was added, so none could be taken away")
    over = max(end for end in ends if end is not None)
    what = f"The last {scene.hit.component} pod that had been added went, which"
    if fleet[-1].there > scene.before:
        return scene.judge(bound, what, over, None, PODS)
    last = max(place for place, moment in enumerate(fleet) if moment.there > scene.before)
    return scene.judge(bound, what, over, max(over, fleet[last + 1].t), PODS)

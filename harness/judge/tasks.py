"""Was every accepted run done in time, and each of its tasks exactly once? Judged by a ledger outside Airflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from harness.history import NS, History
from harness.judge.came import Coming
from harness.judge.checks import measured, some, unknown, when
from harness.judge.faults import fault_time
from harness.judge.observers import RUNS, lost_sight, unread_ledger
from harness.judge.rewound import NAME as RESTORE
from harness.judge.rewound import Rewind, excuse
from harness.judge.runs import Attempt, Run, Task, Work, begun, known, runs, signs_of_life, work
from harness.outcome import Check, Verdict, Window
from harness.slo import Bound


@dataclass(frozen=True)
class _Book:
    """What was asked for, and what was done."""

    history: History
    fault: int | None
    runs: dict[str, Run]
    work: dict[Task, Work]
    known: dict[str, dict[Task, int]]
    begun: dict[Task, frozenset[int]]
    rewind: Rewind | None

    @cached_property
    def tried(self) -> dict[Task, int]:
        """By Airflow's own record, how often each task was tried."""
        return {task: tries for every in self.known.values() for task, tries in every.items()}

    @cached_property
    def accepted(self) -> list[Run]:
        excused = self.rewind.excused if self.rewind else frozenset()
        return [r for r in self.runs.values() if r.accepted and r.dag_run not in excused]

    def undone(self, task: Task) -> int:
        """How many of its finished attempts a restore undid: one at most."""
        return int(self.rewind is not None and task in self.rewind.undone)

    def known_of(self, task: Task) -> list[Attempt]:
        """Its attempts, except those that a restored database does not know, or does not know to have ended."""
        lost = (self.rewind.undone.get(task), self.rewind.forgotten.get(task)) if self.rewind else ()
        return [attempt for attempt in self.work[task].attempts if attempt not in lost]

    @property
    def aside(self) -> str:
        """What is not counted here, and who counts it."""
        runs, tasks = (len(self.rewind.excused), len(self.rewind.undone)) if self.rewind else (0, 0)
        left = [f"{count} {what}" for count, what in ((runs, "runs"), (tasks, "tasks")) if count]
        return f" {' and '.join(left)} that the restore undid are left to {RESTORE}." if left else ""


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Raises `HistoryError` if operations contradict each other."""
    rewind = excuse(history, bounds)
    marks = dict(rewind.work) if rewind else work(history.marks, signs_of_life(history))
    book = _Book(history, fault_time(history), history.once(runs), marks, known(history), begun(history), rewind)
    return tuple(_judge(book, bounds[name], judge) for name, judge in _CHECKS.items() if name in bounds)


def _judge(book: _Book, bound: Bound, judge: Callable[[_Book, Bound], Check]) -> Check:
    if not book.accepted:
        return unknown(bound, "No DAG run was accepted, so nothing was at stake")
    found = judge(book, bound)
    return found.model_copy(update={"because": found.because + book.aside}) if book.aside else found


def _lost(book: _Book, bound: Bound) -> Check:
    cut = book.history.problem is not None or lost_sight(book.history, RUNS)
    unread = cut or bool(unread_ledger(book.history))
    undone = [r for r in book.accepted if r.state == "failed" or (r.state == "unfinished" and not cut)]
    missing = [] if unread else _missing(book)
    again = _under_way_again(book)
    names = some(
        [
            *(f"run {r.dag_run} ({r.state})" for r in undone),
            *(f"run {run} (again {state})" for run, state in again.items()),
            *(f"task {t}" for t in missing),
        ]
    )
    windows = [
        Window(start=r.invoked, end=r.ended or book.history.last_t, what=f"run {r.dag_run} {r.state}") for r in undone
    ]
    found = measured(
        bound,
        len(undone) + len(again) + len(missing),
        f"Of {len(book.accepted)} accepted runs, lost runs and tasks that never ended:",
        f" ({names}{_first(undone, book.fault)})" if names else "",
        windows=windows,
    )
    unsure = _unsure(book, cut) or ("Marks of tasks are missing from the ledger" if unread else None)
    return unknown(bound, unsure) if unsure and found.verdict is Verdict.PASS else found


def _under_way_again(book: _Book) -> dict[str, str]:
    """Runs that were a success, but are none in the end by a restored database, with their states."""
    done = {r.dag_run for r in book.accepted if r.state == "success"}
    return {run: state for run, state in book.rewind.there.undone.items() if run in done} if book.rewind else {}


def _missing(book: _Book) -> list[Task]:
    """Tasks of successful runs without an end mark: those expected, or else tried, and those that started."""
    started: dict[str, set[Task]] = {}
    for task in book.work:
        started.setdefault(task.dag_run, set()).add(task)
    done = [r for r in book.accepted if r.state == "success"]
    tried = {name: {task for task, tries in every.items() if tries} for name, every in book.known.items()}
    listed = {r.dag_run: tried.get(r.dag_run, set()) if r.tasks is None else r.tasks for r in done}
    owed = [t for r in done for t in sorted(listed[r.dag_run] | started.get(r.dag_run, set()))]
    return [t for t in owed if t not in book.work or book.work[t].ends == 0]


def _unsure(book: _Book, cut: bool) -> str | None:
    unresolved = [r.dag_run for r in book.runs.values() if r.answer == "info"]
    if unresolved:
        return f"It is not known whether {len(unresolved)} triggers were accepted ({some(unresolved)})"
    unasked = [r.dag_run for r in book.accepted if r.state == "unknown"]
    if unasked:
        return f"It is not known how {len(unasked)} accepted runs ended ({some(unasked)})"
    if cut:
        return "What is missing may have come after the history, or the sight of runs, was cut short"
    return None


def _first(undone: list[Run], fault: int | None) -> str:
    return f"; the first was triggered {when(undone[0].invoked, fault)}" if undone else ""


def _duplicated(book: _Book, bound: Bound) -> Check:
    twice = {task: done for task, done in book.work.items() if done.ends - book.undone(task) > 1}
    return _over_tasks(book, bound, len(twice), "Tasks finished more than once:", twice)


def _extra_attempts(book: _Book, bound: Bound) -> Check:
    """By the ledger and by Airflow's own record: no ledger can show an attempt that died before it could sign."""
    unsigned = {task: len(tries) for task in book.tried if (tries := _unsigned(book, task))}
    begun = {task: len(done.attempts) - book.undone(task) for task, done in book.work.items()}
    tasks = sorted(unsigned.keys() | {task for task, count in begun.items() if count > 1})
    again = {task: book.work.get(task, Work((), 0, 0)) for task in tasks}
    alone = sum(unsigned.values())
    extra = sum(max(0, begun.get(task, 0) - 1) for task in tasks) + alone
    shown = f", {alone} of them by Airflow's record alone" if alone else ""
    found = _over_tasks(book, bound, extra, f"Attempts started beyond one per task{shown}:", again)
    doubtful = sorted(unsigned.keys() - book.begun.keys())
    if doubtful and found.verdict is Verdict.FAIL and bound.holds(extra - sum(unsigned[task] for task in doubtful)):
        why = "Airflow counts tries that the ledger does not show, and it is not known whether they began"
        return unknown(bound, f"{why} ({some(map(str, doubtful))})")
    strange = _strange(book)
    return unknown(bound, strange) if strange and found.verdict is Verdict.PASS else found


def _unsigned(book: _Book, task: Task) -> set[int]:
    """The tries of a task that began by Airflow's record, or may have, but left no mark. If none of them left one, the
    last counts as lost, not as extra."""
    tries = book.tried[task]
    signed = {attempt.try_ for attempt in book.work[task].attempts} if task in book.work else set()
    missing = set(book.begun.get(task, range(1, tries + 1))) - signed
    return missing if signed else missing - {max(missing, default=0)}


def _unknown_attempts(book: _Book, bound: Bound) -> Check:
    """A try that Airflow does not know of, or that began more than once, ran behind its back."""
    behind: dict[Task, Work] = {}
    count = 0
    for task, done in book.work.items():
        if task.dag_run in book.known:
            extra = _beyond(book.known_of(task), book.known[task.dag_run].get(task, 0))
            count += extra
            if extra:
                behind[task] = done
    found = _over_tasks(book, bound, count, "Attempts that Airflow's own record does not know:", behind)
    unasked = [r.dag_run for r in book.accepted if r.tasks != frozenset() and r.dag_run not in book.known]
    if unasked and found.verdict is Verdict.PASS:
        return unknown(bound, f"What Airflow knows of {len(unasked)} accepted runs was not recorded ({some(unasked)})")
    return found


def _beyond(attempts: Iterable[Attempt], tries: int) -> int:
    begun = Counter(attempt.try_ for attempt in attempts)
    return sum(count - (1 <= try_ <= tries) for try_, count in begun.items())


def _strange(book: _Book) -> str | None:
    """What the ledger holds that nothing accounts for."""
    nobody, unlisted, strays = [], [], []
    for task, done in book.work.items():
        run = book.runs.get(task.dag_run)
        if run is None or run.answer == "fail":
            nobody.append(str(task))
        elif run.tasks is not None and task not in run.tasks:
            unlisted.append(str(task))
        if done.strays:
            strays.append(str(task))
    if nobody:
        return f"The ledger shows tasks of runs that nobody triggered or that were refused ({some(nobody)})"
    if unlisted:
        return f"The ledger shows tasks that their run does not have ({some(unlisted)})"
    if strays:
        return f"The ledger shows tasks that ended without having started ({some(strays)})"
    return None


def _overlapping(book: _Book, bound: Bound) -> Check:
    both = {task: done for task, done in book.work.items() if done.overlap}
    windows = [
        Window(start=done.overlap[0], end=done.overlap[1], what=f"two attempts of {task} at once")
        for task, done in both.items()
        if done.overlap
    ]
    return _over_tasks(book, bound, len(both), "Tasks of which two attempts ran at the same time:", both, windows)


def _over_tasks(
    book: _Book, bound: Bound, count: int, before: str, found: dict[Task, Work], windows: Iterable[Window] = ()
) -> Check:
    if not book.work:
        return unknown(bound, "The ledger is empty")
    after = f" of {len(book.work)} tasks"
    if found:
        starts = [done.attempts[-1].start for done in found.values() if done.attempts]
        last = f"; latest start {when(max(starts), book.fault)}" if starts else ""
        after += f" ({some(map(str, found))}{last})"
    return measured(bound, count, before, after, windows=windows)


def _run_duration(book: _Book, bound: Bound) -> Check:
    """Runs that never ended have lasted at least until the history did; failed ones are judged as lost."""
    lasted = [(r.ended - r.invoked, r) for r in book.accepted if r.state == "success" and r.ended is not None]
    going = [r for r in book.accepted if r.state in ("unfinished", "unknown") and not r.disputed]
    lasting = [(_known(book, r), r) for r in going]
    checks = [
        _duration(book, bound, max(every, key=lambda x: x[0]), whole)
        for every, whole in ((lasted, True), (lasting, False))
        if every
    ]
    if not checks:
        return unknown(bound, "No accepted run ended in success")
    found = max(checks, key=lambda c: c.verdict.rank)
    known = max(_known(book, run) for _, run in lasted + lasting)
    if found.verdict is Verdict.FAIL and bound.holds(known / NS):
        return unknown(bound, f"When the longest run ended, nobody could look; it took at least {known / NS:.1f} s")
    return found


def _known(book: _Book, run: Run) -> int:
    """The least that a run lasted, in ns: until it ended, or until nobody could see it any more."""
    return Coming("", run.invoked, run.ended, RUNS).least(book.history) - run.invoked


def _duration(book: _Book, bound: Bound, longest: tuple[int, Run], whole: bool) -> Check:
    took, run = longest
    return measured(
        bound,
        took / NS,
        f"The longest run, {run.dag_run}, triggered {when(run.invoked, book.fault)}, took",
        " to succeed" if whole else " and was not seen to end",
        whole=whole,
        windows=[Window(start=run.invoked, end=run.invoked + took, what=f"run {run.dag_run}")],
    )


_CHECKS: dict[str, Callable[[_Book, Bound], Check]] = {
    "tasks.lost": _lost,
    "tasks.duplicated": _duplicated,
    "tasks.extra_attempts": _extra_attempts,
    "tasks.overlapping": _overlapping,
    "tasks.unknown_attempts": _unknown_attempts,
    "tasks.run_duration": _run_duration,
}

"""The DAG runs that were triggered, and the attempts that the ledger shows of their tasks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal, NamedTuple

from harness.errors import HistoryError
from harness.history import History, Mark, Op

State = Literal["success", "failed", "unfinished", "unknown"]


class Task(NamedTuple):
    """One task of one run."""

    dag_run: str
    task: str
    map_index: int

    def __str__(self) -> str:
        mapped = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.dag_run}/{self.task}{mapped}"


@dataclass(frozen=True)
class Run:
    """One trigger and what became of it. Times are nanoseconds since the run of the experiment began.

    `answer` info: nobody knows whether it was accepted. `state` unknown: nobody could be asked how it ended, or
    it is `disputed`: it ended in two ways.
    """

    dag_run: str
    invoked: int
    answer: Literal["ok", "fail", "info"]
    answered: int | None
    tasks: frozenset[Task] | None
    ended: int | None
    state: State
    disputed: bool = False

    @property
    def accepted(self) -> bool:
        return self.answer == "ok"


@dataclass(frozen=True)
class Attempt:
    """One attempt of a task under a try number; `end` is None if it never said that it ended, and `seen` is when it was
    last known to be at work."""

    start: int
    end: int | None
    try_: int = 1
    seen: int = 0


@dataclass(frozen=True)
class Work:
    """All attempts of one task. `ends` counts end marks, `strays` those without a start."""

    attempts: tuple[Attempt, ...]
    ends: int
    strays: int

    @property
    def overlap(self) -> tuple[int, int] | None:
        """The first stretch in which two attempts ran at once, as far as it is proved."""
        spans = sorted(self.attempts, key=lambda a: (a.start, a.end is None))
        return next((both for a, b in combinations(spans, 2) if (both := _overlap(a, b))), None)


def first_starts(marks: Iterable[Mark], of: Callable[[Mark], str]) -> dict[str, int]:
    """When the first start mark came for each run or host that `of` names."""
    first: dict[str, int] = {}
    for mark in marks:
        if mark.mark == "start":
            first[of(mark)] = min(mark.t, first.get(of(mark), mark.t))
    return first


def runs(history: History) -> dict[str, Run]:
    """Every run that was asked for, by its dag_run. Raises `HistoryError` if the record contradicts itself."""
    invokes: dict[str, Op] = {}
    answers: dict[str, Op] = {}
    ends: dict[str, Op] = {}
    ways: dict[str, set[object]] = {}
    for op in history.ops:
        if op.f not in ("trigger", "run"):
            continue
        dag_run = _dag_run(op)
        if op.f == "run":
            if op.type != "invoke":
                ends[dag_run] = op
            if op.type in ("ok", "fail"):
                ways.setdefault(dag_run, set()).add((op.type, op.value.get("state")))
        elif op.type != "invoke":
            answers[dag_run] = op
        elif dag_run in invokes:
            raise HistoryError(f"{dag_run} was triggered twice, so its tasks cannot be told apart; use unique run ids")
        else:
            invokes[dag_run] = op
    if nobody := sorted(answers.keys() - invokes.keys()):
        raise HistoryError(f"the trigger of {nobody[0]} was answered but never sent; the history is damaged")
    made = {name: _run(name, op, answers.get(name), ends.get(name)) for name, op in invokes.items()}
    disputed = {name for name, said in ways.items() if len(said) > 1}
    for name in disputed & made.keys():
        made[name] = replace(made[name], ended=None, state="unknown", disputed=True)
    return made


def work(marks: Iterable[Mark], signs: Mapping[str, int] | None = None) -> dict[Task, Work]:
    """What each task in the ledger did. `signs`: attempt (`ti`) → its last sign of life."""
    found: dict[Task, list[Mark]] = {}
    for mark in sorted(marks, key=lambda m: m.t):
        found.setdefault(Task(mark.dag_run, mark.task, mark.map_index), []).append(mark)
    return {task: _work(found[task], signs or {}) for task in sorted(found)}


def signs_of_life(history: History) -> dict[str, int]:
    """Attempt (`ti`) → when it last said that it was at work; only long tasks say so."""
    return {str(e.value.get("ti")): e.t for e in history.seen("job") if e.what == "alive"}


def known(history: History) -> dict[str, dict[Task, int]]:
    """By Airflow's own record, how often each task of a run was tried; without runs that nobody could ask about."""
    found = {}
    for op in history.ops:
        if op.f == "tasks" and op.type == "ok":
            name, listed = _dag_run(op), op.value.get("tasks")
            try:
                found[name] = {Task(name, str(task), int(index)): int(tries) for task, index, tries in listed or ()}
            except (TypeError, ValueError) as cause:
                what = "triples of task, map index and number of tries"
                raise HistoryError(f"Airflow's record of {name} must be {what}, not {listed!r}") from cause
    return found


def begun(history: History) -> dict[Task, frozenset[int]]:
    """By Airflow's own record, which tries of a task began to run; of tasks that were tried more than once."""
    found = {}
    for op in history.ops:
        if op.f == "tasks" and op.type == "ok":
            name, listed = _dag_run(op), op.value.get("begun")
            try:
                for task, index, tries in listed or ():
                    found[Task(name, str(task), int(index))] = frozenset(map(int, tries))
            except (TypeError, ValueError) as cause:
                what = "triples of task, map index and numbers of tries"
                raise HistoryError(f"what began of {name} must be {what}, not {listed!r}") from cause
    return found


def _work(marks: list[Mark], signs: Mapping[str, int]) -> Work:
    """Ends go with starts of the same try on the same host, first come first served; resumed ones with any host's."""
    waiting: dict[tuple[int, str], deque[Mark]] = {}
    done: list[Attempt] = []
    strays = 0
    for mark in marks:
        queue = waiting.setdefault((mark.try_, mark.executor_host), deque())
        if mark.mark == "end" and mark.resumed and not queue:
            queue = next((q for (try_, _), q in waiting.items() if try_ == mark.try_ and q), queue)
        if mark.mark == "start":
            queue.append(mark)
        elif queue:
            done.append(Attempt(queue.popleft().t, mark.t, mark.try_))
        else:
            strays += 1
    starts = [start for queue in waiting.values() for start in queue]
    unended = [Attempt(start.t, None, start.try_, signs.get(start.ti, 0)) for start in starts]
    attempts = tuple(sorted(done + unended, key=lambda a: a.start))
    return Work(attempts, ends=len(done) + strays, strays=strays)


def _overlap(first: Attempt, second: Attempt) -> tuple[int, int] | None:
    """`second` starts no earlier. An attempt that never ended is known to have run from its start to its last sign of
    life; after that, it may have been dead when the next one began."""
    until = first.seen if first.end is None else first.end
    if second.start >= until:
        return None
    end = min(until, max(second.start + 1, second.seen) if second.end is None else second.end)
    return (second.start, end) if end > second.start else None


def _run(name: str, invoke: Op, answer: Op | None, end: Op | None) -> Run:
    state: State = "unfinished"
    if end is not None and end.type == "fail":
        state = "failed"
    elif end is not None and end.type == "ok":
        state = "success" if end.value.get("state", "success") == "success" else "failed"
    elif end is not None and end.value.get("state") == "unknown":
        state = "unknown"
    said: Literal["ok", "fail", "info"] = "info"
    if answer is not None and answer.type in ("ok", "fail"):
        said = answer.type
    return Run(
        dag_run=name,
        invoked=invoke.t,
        answer=said,
        answered=answer.t if answer is not None else None,
        tasks=_tasks(name, invoke.value),
        ended=end.t if end is not None and state in ("success", "failed") else None,
        state=state,
    )


def _tasks(name: str, value: dict[str, Any]) -> frozenset[Task] | None:
    """What the ledger must show of the run, or None if the trigger does not say."""
    listed = value.get("tasks")
    if listed is None:
        return None
    try:
        return frozenset(Task(name, str(task), int(index)) for task, index in listed)
    except (TypeError, ValueError) as cause:
        raise HistoryError(f"the tasks of {name} must be pairs of task and map index, not {listed!r}") from cause


def _dag_run(op: Op) -> str:
    name = op.value.get("dag_run")
    if not isinstance(name, str) or not name:
        raise HistoryError(f"an op {op.f} at {op.t} ns does not say which dag_run it is about; the history is damaged")
    return name

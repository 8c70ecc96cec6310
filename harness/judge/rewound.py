"""What a restore undid: accepted runs that are gone, and tasks that the database no longer knows to be done.

A restored database owes everything that was archived when it was lost. It was asked again and again where its log is:
if the position that it gave was archived in the end, so was everything accepted before it was asked. So only our clock
counts. Later work may be gone, if the archive was no further behind than its settings allow. Only this work, and only
if that is proved, is no loss to other checks: `restore.rpo_tasks` counts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.history import NS, History, Mark, Op, grouped
from harness.judge.happened import doubts
from harness.judge.replaced import UnknowableError
from harness.judge.restored import PROCESS, Restored, asked, position, restored
from harness.judge.runs import Attempt, Run, Task, Work, runs, signs_of_life, work
from harness.judge.there import There, there
from harness.slo import Bound

NAME = "restore.rpo_tasks"
ARCHIVING_NS = 5 * NS  # a file that is due, looked for each second, is closed, packed and put on the disk
REPORTED_NS = 5 * NS  # the database knows of a task's end this long after the ledger


@dataclass(frozen=True)
class Rewind:
    """`point`: everything accepted by then was archived, by the database's own word. `since`: everything accepted by
    then must be there, as by its settings it was archived, too. Both are `t` of the history.

    `gone` are accepted runs that are not there, `excused` the ids of those that may be gone. Of tasks that the restored
    database ran again, `undone` has the attempt that had finished, `forgotten` one that had begun. Both began before
    the loss, and the end of the one, or the start of the other, was not archived. One of each: a task done twice before
    the loss was done once too often.
    """

    of: Restored
    point: int
    since: int
    there: There
    gone: tuple[Run, ...]
    excused: frozenset[str]
    undone: Mapping[Task, Attempt]
    forgotten: Mapping[Task, Attempt]
    work: Mapping[Task, Work]


def excuse(history: History, bounds: Mapping[str, Bound]) -> Rewind | None:
    """What other checks need not count; None if nothing was restored, it is not proved, or nobody counts it."""
    if NAME not in bounds:
        return None
    try:
        return history.once(rewind)
    except UnknowableError:
        return None


def rewind(history: History) -> Rewind | None:
    """None if nothing was to be restored. Raises `UnknowableError` if it is not proved, and `HistoryError`."""
    found = restored(history)
    if found is None:
        return None
    if doubtful := doubts(history):
        raise UnknowableError(doubtful[0])
    point = _point(history, found)
    since = max(point, found.hit - found.timeout_ns - ARCHIVING_NS)
    listed = history.once(there)
    gone = tuple(run for run in history.once(runs).values() if run.accepted and listed.lacks(run))
    done = dict(_work(history, found.released))
    again = {task: own for task, own in done.items() if any(a.start > found.released for a in own.attempts)}
    undone = {task: _last(a for a in own.attempts if _undone(a, found, since)) for task, own in again.items()}
    forgotten = {task: _last(a for a in own.attempts if _forgotten(a, found, since)) for task, own in again.items()}
    return Rewind(
        of=found,
        point=point,
        since=since,
        there=listed,
        gone=gone,
        excused=frozenset(run.dag_run for run in gone if run.answered and since < run.answered <= found.released),
        undone={task: one for task, one in undone.items() if one},
        forgotten={task: one for task, one in forgotten.items() if one},
        work=done,
    )


def _point(history: History, found: Restored) -> int:
    """When the database was last asked for a position in its log that was archived in the end; at least when its backup
    was asked for, which holds everything accepted before."""
    said = list(_positions(history, found))
    if not said:
        raise UnknowableError(f"{found.target.name} was never asked where its log is before it was lost")
    archived = [asked(op) for op in said if position(op.value.get("lsn")) <= found.archived]
    return max([found.backup_asked, *archived])


def _positions(history: History, found: Restored) -> Iterator[Op]:
    """Its answers before the loss."""
    for op in history.ops:
        if (op.process, op.f, op.type) == (PROCESS, "position", "ok") and op.t <= found.hit:
            same = op.value.get("system") == found.target.how.get("system")
            if same and op.value.get("timeline") == found.timelines[0]:
                yield op


def _last(attempts: Iterable[Attempt]) -> Attempt | None:
    return max(attempts, key=lambda attempt: attempt.start, default=None)


def _undone(attempt: Attempt, found: Restored, since: int) -> bool:
    """Whether it had finished, and the restored database does not know that it ended, or that it ever was."""
    if attempt.end is None or attempt.start > found.released:
        return False
    return attempt.start > since or since - REPORTED_NS < attempt.end <= found.opened


def _forgotten(attempt: Attempt, found: Restored, since: int) -> bool:
    return attempt.end is None and since < attempt.start <= found.released


def _work(history: History, released: int) -> Iterator[tuple[Task, Work]]:
    """What each task did. An end goes with the start before it. After a restore, another start may have come under the
    same try: the ends that follow belong to that one, whatever became of the first."""
    cut = list(_cut(history.marks, released))
    lone = grouped(cut, lambda mark: Task(mark.dag_run, mark.task, mark.map_index))
    apart = {id(mark) for mark in cut}
    signs = signs_of_life(history)
    for task, own in work((mark for mark in history.marks if id(mark) not in apart), signs).items():
        more = [Attempt(mark.t, None, mark.try_, signs.get(mark.ti, 0)) for mark in lone.get(task, ())]
        attempts = tuple(sorted((*own.attempts, *more), key=lambda a: a.start))
        yield task, Work(attempts, own.ends, own.strays)


def _cut(marks: tuple[Mark, ...], released: int) -> Iterator[Mark]:
    """Starts before the restore that had no end when another start came, under the same try and on the same host."""
    tries = grouped(marks, lambda m: (m.dag_run, m.task, m.map_index, m.try_, m.executor_host))
    for some in tries.values():
        again = min((m.t for m in some if m.mark == "start" and m.t > released), default=None)
        if again is None:
            continue
        early = [m for m in some if m.t < again]
        starts = [m for m in early if m.mark == "start"]
        yield from starts[len(early) - len(starts) :]

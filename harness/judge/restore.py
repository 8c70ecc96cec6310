"""A database was lost and restored: what did that cost, counted in tasks, and how long did it take?"""

from __future__ import annotations

from collections.abc import Callable

from harness.history import NS, History
from harness.judge import rewound
from harness.judge.checks import broken, measured, some, unknown, when
from harness.judge.happened import doubts
from harness.judge.observers import MARKS, lost_sight, unread_ledger
from harness.judge.replaced import UnknowableError
from harness.judge.restored import Restored, restored
from harness.judge.rewound import Rewind, rewind
from harness.judge.runs import runs
from harness.judge.there import load_of
from harness.outcome import Check, Verdict, Window
from harness.slo import Bound

RPO, RTO = rewound.NAME, "restore.rto"
FEWEST = 10  # accepted after the backup and archived: this many show that more than the backup was restored


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Raises `HistoryError` if the record of a run contradicts itself."""
    return tuple(_judge(history, bounds[name], judge) for name, judge in _CHECKS.items() if name in bounds)


def _judge(history: History, bound: Bound, judge: Callable[[History, Bound], Check]) -> Check:
    try:
        return judge(history, bound)
    except UnknowableError as why:
        return unknown(bound, f"It is not proved that the database was lost and restored: {why}")


def _rpo(history: History, bound: Bound) -> Check:
    """No limit allows for what came before the window and is lost all the same."""
    found = history.once(rewind)
    if found is None:
        return unknown(bound, "No database was lost and restored")
    fault = found.of.hit
    excused = [run for run in found.gone if run.dag_run in found.excused]
    if owed := [run for run in found.gone if run.dag_run not in found.excused]:
        first = f"{some(run.dag_run for run in owed)}; the first was accepted {when(owed[0].answered or 0, fault)}"
        window = f"from {when(found.since, fault)} until the loss"
        return broken(bound, f"{len(owed)} accepted runs are gone ({first}), and only those {window} may be")
    if found.of.ended < found.of.archived - found.of.segment:
        ended, had = (f"{place:X}" for place in (found.of.ended, found.of.archived))
        return broken(bound, f"The database was restored to {ended} of its log, and the archive had all up to {had}")
    again = sorted(found.undone)
    names = some([*(run.dag_run for run in excused), *(f"{task} again" for task in again)])
    windows = [Window(start=found.since, end=fault, what="accepted, and perhaps not archived")]
    before = f"Of what came after {when(found.since, fault)}, {len(excused)} runs are gone, and {len(again)} tasks"
    after = f" ({names})" if names else ""
    judged = measured(bound, len(excused) + len(again), f"{before} that had ended ran again:", after, windows=windows)
    why = _unsure(history, found)
    return unknown(bound, why) if why and judged.verdict is Verdict.PASS else judged


def _unsure(history: History, found: Rewind) -> str | None:
    """Why more may be lost than is known."""
    if history.problem is not None:
        return "The history is not whole"
    if unread_ledger(history) or lost_sight(history, MARKS):
        return "Not all of the ledger was read"
    accepted = [run for run in history.once(runs).values() if run.accepted]
    if unasked := sorted({load_of(run) for run in accepted} - found.there.runs.keys()):
        return f"Which runs are there in the end is not known of {some(unasked)}"
    since = found.of.backed_up
    early = sum(run.answered is not None and since < run.invoked and run.answered <= found.since for run in accepted)
    if early < FEWEST:
        return f"Only {early} runs were accepted after the backup and archived, of {FEWEST} at least"
    return None


def _rto(history: History, bound: Bound) -> Check:
    found = restored(history)
    if found is None:
        return unknown(bound, "No database was lost and restored")
    if doubtful := doubts(history):
        raise UnknowableError(doubtful[0])
    first, early = _first_write(history, found)
    if early:
        raise UnknowableError("a write was accepted while there was no database to accept it")
    what = f"From the loss of {found.target.name} until a write was accepted again,"
    least = history.last_t if first is None else first
    after = f" ({when(least, None)}); its backup is {found.backup}, and it ended at {found.ended:X} of timeline"
    after += f" {found.timelines[0]}"
    windows = [Window(start=found.hit, end=least, what="no write was accepted")]
    if first is None and history.problem is not None:
        return unknown(bound, "No write was accepted again, and the history is not whole", windows)
    return measured(bound, (least - found.hit) / NS, what, after, whole=first is not None, windows=windows)


def _first_write(history: History, found: Restored) -> tuple[int | None, bool]:
    """When the first write sent after the old database was gone was answered well; and whether that was before a new
    database could be there. Raises `UnknowableError` if nobody wrote."""
    written = [c for c in history.samples.columns.values() if c.series.write]
    if not written:
        raise UnknowableError("nobody wrote")
    ends = [int(c.end[good].min()) for c in written if (good := ~c.bad & (c.t >= found.gone)).any()]
    first = min(ends, default=None)
    return first, first is not None and first <= found.released


_CHECKS: dict[str, Callable[[History, Bound], Check]] = {RPO: _rpo, RTO: _rto}

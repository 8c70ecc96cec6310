"""Which runs are there in the end, by Airflow's own list of each load, and which of those are not done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import HistoryError
from harness.history import History, Op
from harness.judge.runs import Run


@dataclass(frozen=True)
class There:
    """The runs that were there, by load: all ids of its runs begin with it. `unread` are loads that nobody could ask
    about; `undone` are runs that were there but no success, with their states, as far as anybody looked."""

    runs: Mapping[str, frozenset[str]]
    unread: tuple[str, ...]
    undone: Mapping[str, str]

    def lacks(self, run: Run) -> bool:
        """Whether it is known not to be there."""
        listed = self.runs.get(load_of(run))
        return listed is not None and run.dag_run not in listed


def load_of(run: Run) -> str:
    """What its id begins with: the load that asked for it."""
    return run.dag_run.rpartition("-")[0]


def there(history: History) -> There:
    """Raises `HistoryError` if a list is malformed."""
    found: dict[str, frozenset[str]] = {}
    unread: list[str] = []
    undone: dict[str, str] = {}
    for op in (op for op in history.ops if op.f == "there"):
        prefix = str(op.value.get("prefix"))
        if op.type != "ok":
            unread.append(prefix)
            continue
        found[prefix] = _names(op, op.value.get("runs"))
        undone |= _states(op, op.value.get("undone", {}))
    return There(found, tuple(unread), undone)


def _names(op: Op, listed: object) -> frozenset[str]:
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise HistoryError(f"the runs of {op.process} that are there must be ids, not {listed!r}")
    return frozenset(listed)


def _states(op: Op, listed: object) -> dict[str, str]:
    if not isinstance(listed, dict) or not all(isinstance(state, str) for state in listed.values()):
        raise HistoryError(f"the runs of {op.process} that are not done must be id → state, not {listed!r}")
    return {str(run): state for run, state in listed.items()}

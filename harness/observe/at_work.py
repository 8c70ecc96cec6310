"""Which tasks are in the middle of their work, where no ledger says it: asked of Airflow right before they are hit."""

from __future__ import annotations

from collections.abc import Callable

from harness.airflow import Airflow
from harness.answers import TaskState
from harness.history import NS
from harness.observe.ledger import IN_THE_MIDST_S


class AtWork:
    """Ages are counted from one look to the next, so that no clock but ours matters. Nobody knows the age of tasks that
    are there at the first look, so they are left out."""

    def __init__(self, airflow: Airflow, prefix: str, now: Callable[[], int]) -> None:
        self._airflow = airflow
        self._prefix = prefix
        self._now = now
        self._since: dict[str, int] = {}  # attempt → the look before the one that saw it first; 0 if there was none
        self._looked = 0

    def at_work(self) -> dict[str, frozenset[str]]:
        """Host → the attempts in the middle of their work on it, by the same ages as with a ledger. Raises like any
        question to Airflow."""
        looked, now = self._looked, self._now()
        running = self._airflow.running(self._prefix)
        self._since = {one.id: self._since.get(one.id, looked) for one in running}
        self._looked = now
        least, most = (now - int(seconds * NS) for seconds in reversed(IN_THE_MIDST_S))
        held: dict[str, set[str]] = {}
        for one in running:
            if least <= self._since[one.id] <= most:
                held.setdefault(_host(one), set()).add(one.id)
        return {host: frozenset(ids) for host, ids in held.items()}

    def close(self) -> None:
        self._airflow.close()


def _host(task: TaskState) -> str:
    """A host may give its full name; its first part is the pod's name."""
    return (task.hostname or "").partition(".")[0]

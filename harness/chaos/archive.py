"""A database with an archive of its log: what it says of itself, and the steps of its backup, its loss and its restore.

The steps are the script in its pod (deploy/components/archive), so that whoever operates it finds them there. Each may
be called again: what holds the database back goes last, when its data are whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from harness.errors import FaultError, HarnessError, WaitTimeout
from harness.kube import Kube, KubeError, Lost, Pod
from harness.wait import until

T = TypeVar("T")
CALL_S = 10.0
EVERY_S = 0.5
RESTORED_WITHIN_S = 90.0
_SCRIPT = ("sh", "/opt/archive/archive.sh")
_ASK = 'PGCONNECT_TIMEOUT=2 psql -XAtq -h /var/run/postgresql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "$0"'
# The last is what a restored server has written of where it left the timeline before.
_STATE = """
with now as (select pg_current_wal_flush_lsn() as lsn, left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) as timeline)
select system_identifier, timeline, lsn, coalesce(last_archived_wal, ''), failed_count,
    (select setting from pg_settings where name = 'archive_timeout'),
    (select setting from pg_settings where name = 'wal_segment_size'),
    coalesce(trim(pg_read_file('airflow-chaos', 0, 100, true), E'\\n'), ''),
    coalesce(translate(pg_read_file('pg_wal/' || timeline || '.history', 0, 8000, true), E'\\n\\t', '; '), '')
from now, pg_control_system(), pg_stat_archiver
"""


@dataclass(frozen=True)
class State:
    """A server by its own word: `system` is its identifier, `lsn` up to where its log is on its disk, `archived` the
    newest file of it in the archive, by its own count, `sign` what stands in its files and in no backup, `history` its
    timelines, each with where it was left. `timeout_s` and `segment` (bytes) are as it is set."""

    system: str
    timeline: int
    lsn: str
    archived: str
    failed: int
    timeout_s: int
    segment: int
    sign: str
    history: str

    @staticmethod
    def of(line: str) -> State:
        """Raises `KubeError` where it is none."""
        try:
            system, timeline, lsn, archived, failed, timeout_s, segment, sign, history = line.strip().split("|", 8)
            numbers = int(failed), int(timeout_s), int(segment)
            return State(system, int(timeline, 16), lsn, archived, *numbers, sign=sign, history=history)
        except ValueError as cause:
            raise KubeError(f"PostgreSQL said {line!r}, which says nothing of its log") from cause

    def left(self) -> tuple[int, str]:
        """The timeline before this one, and where it was left. Raises `FaultError` where there was none."""
        rows = [row.split() for row in self.history.split(";") if row.strip()]
        if not rows or len(rows[-1]) < 2 or not rows[-1][0].isdecimal():
            raise FaultError(f"the database is on timeline {self.timeline}, and says of no other: it was not restored")
        return int(rows[-1][0]), rows[-1][1]


@dataclass(frozen=True)
class Gone:
    """What is left of data that were removed: so many `files`; and the `last` part of their log in the archive."""

    files: int
    last: str


@dataclass(frozen=True)
class Archive:
    """That of the database in a pod. Each call raises `KubeError` where it fails, `WaitTimeout` where it was tried
    again until time was up."""

    kube: Kube
    pod: Pod

    def back_up(self, name: str, within_s: float) -> str:
        """Take a base backup, and return with which file of the log it begins. Older ones go."""
        return self._do("back_up", name, within_s=within_s).strip()

    def hold(self, name: str, sign: str) -> None:
        """Let it not start again before it was restored from this backup, which must be there."""
        self._do("hold", name, sign)

    def lose(self, within_s: float) -> Gone:
        """Remove its data, once it is held back."""
        said = self._again(lambda: self._do("lose"), "PostgreSQL to be held back, and its data removed", within_s)
        try:
            files, last, *_ = [*said.split(), ""]
            return Gone(int(files), last)
        except ValueError as cause:
            raise KubeError(f"what is left of the data of {self.pod.key} is not known, but {said!r}") from cause

    def restore(self, within_s: float) -> None:
        """Lay the backup down and let it start; does nothing where nothing is held back."""
        step = lambda: self._do("restore", within_s=within_s)  # noqa: E731
        self._again(step, f"the data of {self.pod.key} restored", within_s)

    def state(self) -> State:
        """Fails while it recovers."""
        return State.of(self.kube.once(self.pod, "", ("sh", "-c", _ASK, _STATE), CALL_S))

    def opened(self, within_s: float) -> State:
        """Its state, once it takes writes."""
        return self._again(self.state, f"{self.pod.key} to take writes", within_s)

    def _do(self, *words: str, within_s: float = CALL_S) -> str:
        return self.kube.once(self.pod, "", (*_SCRIPT, *words), within_s)

    def _again(self, step: Callable[[], T], what: str, within_s: float) -> T:
        """What a step comes to in the end: its container may not be there yet."""
        said: list[T] = []
        why = ""

        def tried() -> bool:
            nonlocal why
            try:
                said.append(step())
            except HarnessError as cause:
                why = str(cause)
            return bool(said)

        try:
            until(tried, bool, what=what, timeout=max(within_s, 0.0), every=EVERY_S)
        except WaitTimeout as cause:
            raise WaitTimeout(f"{cause} ({why})") from cause
        return said[0]


def restore(kube: Kube, lost: Lost, within_s: float = RESTORED_WITHIN_S) -> None:
    """Have the data of what is so marked restored, and take the mark away. Raises as `Archive`, and `FaultError` where
    it has no pod."""
    workload, deadline = lost.workload, time.monotonic() + within_s
    mine = f"{workload.kind}/{workload.name}"
    pods = until(
        lambda: [pod for pod in kube.pods(workload.namespace, workload.selector) if pod.owner == mine],
        bool,
        what=f"a pod of {mine}",
        timeout=within_s,
        every=EVERY_S,
    )
    Archive(kube, pods[0]).restore(deadline - time.monotonic())
    kube.change.owe_restore(workload.namespace, workload.name, None)

"""What was seen of everything that a fault may hit, indexed once: there may be thousands of faults to prove."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.history import Event, History, Mark, grouped
from harness.judge.faults import hostname


@dataclass(frozen=True)
class Sightings:
    """A history, indexed for questions about one pod at a time."""

    history: History

    def own_jobs(self, host: str, t: int) -> list[Event]:
        """What was ever seen of the jobs that ran on this host by `t`, in order."""
        mine = [job for job in self._jobs_by_host.get(host, ()) if self._host_by(job, t) == host]
        return sorted((event for job in mine for event in self._jobs[job]), key=lambda event: event.t)

    def said_by(self, host: str) -> list[Event]:
        """What was seen of jobs under the name of this host."""
        events = (event for job in self._jobs_by_host.get(host, ()) for event in self._jobs[job])
        return sorted((e for e in events if hostname(e) == host), key=lambda event: event.t)

    def marks_on(self, host: str) -> tuple[Mark, ...]:
        """The marks of what tasks did on this host."""
        return self._marks.get(host, ())

    def ended(self, attempt: str, t: int) -> bool:
        """Whether this attempt, by Airflow's id of it, had ended by `t`, on any host."""
        return bool(attempt) and attempt in self._ends and self._ends[attempt] <= t

    def _host_by(self, job: str, t: int) -> str | None:
        return next((hostname(event) for event in reversed(self._jobs[job]) if event.t <= t), None)

    @cached_property
    def _jobs(self) -> dict[str, tuple[Event, ...]]:
        return grouped(self.history.seen("job"), lambda event: event.object)

    @cached_property
    def _jobs_by_host(self) -> dict[str, tuple[str, ...]]:
        pairs = dict.fromkeys((hostname(event), event.object) for event in self.history.seen("job"))
        return {host: tuple(job for _, job in own) for host, own in grouped(pairs, lambda pair: pair[0]).items()}

    @cached_property
    def _marks(self) -> dict[str, tuple[Mark, ...]]:
        return grouped(self.history.marks, lambda mark: mark.executor_host)

    @cached_property
    def _ends(self) -> dict[str, int]:
        return {mark.ti: mark.t for mark in reversed(self.history.marks) if mark.mark == "end" and mark.ti}

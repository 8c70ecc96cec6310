"""Everything that watches and loads the stack during a run, started and stopped as one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import urlsplit

from harness import vantages
from harness.asking import Target as Request
from harness.experiment import Plan
from harness.experiment import Workload as Load
from harness.history import Recorder
from harness.kube import Kube, of_cluster
from harness.observe import kept
from harness.observe.at_work import AtWork
from harness.observe.backfill import Backfills
from harness.observe.late import Late
from harness.observe.ledger import LedgerReader
from harness.observe.machine import Machine
from harness.observe.pod_logs import PodLogs
from harness.observe.points import Points
from harness.observe.primaries import Primaries
from harness.observe.prober import NUMBER, Prober, Target
from harness.observe.schedule import Schedules
from harness.observe.streams import Streams
from harness.observe.watcher import Watcher
from harness.observe.witness import Witness
from harness.observe.workload import Workload
from harness.records import Schedule
from harness.settings import Settings
from harness.stack import window
from harness.stack.access import Access

TRIGGERER = "triggerer"  # Airflow must be asked what waits in it, so only if it is what is broken
# If an experiment is about requests, some of them stay open.
READERS = {"workload": (Streams,), "writer": (Streams, Witness)}
JSON = {"Content-Type": "application/json"}
LATE = "dag_seen"
ARCHIVED = "celery-archive"  # where the database may be restored to an earlier state
QUICK_S = 2.0
CALL_S = 5.0
BACKFILL_S = 20.0  # the answer comes only after all of its runs were made


class Rig:
    """Starts the observers, then the load; stops the load first, so that nothing happens unseen."""

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        kube: Kube,
        access: Access,
        recorder: Recorder,
        scheduled: Mapping[str, Schedule],
    ) -> None:
        self._plan = plan
        self._recorder = recorder
        run_id = recorder.path.parent.name
        waits = plan.component == TRIGGERER
        own = settings.aim.namespaces
        neighbours, address = of_cluster(settings.cluster), urlsplit(access.base_url).hostname or ""
        self._watcher = Watcher(
            kube,
            access.airflow(QUICK_S),
            recorder,
            list(dict.fromkeys((*own, *plan.watch))),
            waits=waits,
            answering=lambda: neighbours.node(address) if settings.aim.nodes == "docker" else None,
        )
        self._logs = PodLogs(kube, recorder, own, run_id)
        self._primaries = Primaries(kube, recorder, settings.namespace)
        self._machine = Machine(recorder)
        self._ledger = [LedgerReader(recorder, ledger, prefix=run_id) for ledger in (access.ledger,) if ledger]
        self._asked = [] if self._ledger else [AtWork(access.airflow(CALL_S), run_id, recorder.now)]
        self._probers = [
            Prober(recorder.path, recorder.t0, url, targets, timeout_s=plan.probe.timeout_s, login=access.login)
            for url, targets in _targets(plan, access, run_id).items()
        ]
        seen = _seen(plan, access, run_id)
        self._points = [
            Points(kube, recorder, settings.job_namespace, settings.image, plan.probe.vantage.points, asked)
            for asked in ([vantages.config(plan, kube, access, seen)] if seen else ())
            if plan.probe.vantage
        ]
        self._written = [t.at(conn) for t in plan.probe.writes if access.url(t.entry) for conn in t.conn]
        self._access = access
        self._may_go = settings.stack == ARCHIVED
        self._schedules = Schedules(access.airflow(CALL_S), recorder, scheduled)
        self._backfills = Backfills(access.airflow(BACKFILL_S), recorder, scheduled)
        self._late = [
            Late(access.airflow(CALL_S), recorder, f"late_{run_id}", partial(window.put, ledger))
            for ledger in (access.ledger,)
            if ledger and LATE in (plan.recovery or ())
        ]
        self._loads = [self._load(plan.workload, "workload", f"{run_id}-w")]
        if plan.writer:
            self._loads.append(self._load(plan.writer, "writer", f"{run_id}-t"))

    def _load(self, load: Load, process: str, prefix: str) -> Workload:
        return Workload(
            lambda: self._access.airflow(CALL_S),
            self._recorder,
            dag=load.dag,
            tasks=load.tasks,
            process="writer" if process == "writer" else "workload",
            every_s=load.every_s,
            prefix=prefix,
            accept_within_s=load.accept_within_s,
        )

    def start(self) -> None:
        """Raises `UsageError` if the stack cannot be watched; `stop` then ends what was started."""
        readers = READERS if self._plan.writer else {}
        starts: list[Callable[[], None]] = [
            self._machine.start,
            *(points.start for points in self._points),  # early, since they take longest to come up
            self._watcher.start,
            self._logs.start,
            self._primaries.start,
            *(reader.start for reader in self._ledger),
            *(p.start for p in self._probers),
            *(late.start for late in self._late),
            *(partial(load.start, readers=readers.get(load.process, ()), may_go=self._may_go) for load in self._loads),
            self._backfills.ask,
        ]
        for start in starts:
            start()

    def surge(self, runs: int, within_s: float) -> None:
        """Ask for this many runs of the plan's surge; wait for them, `within_s` seconds at most, if that is not 0."""
        assert self._plan.surge is not None
        load = self._load(self._plan.surge, "workload", f"{self._recorder.path.parent.name}-s{len(self._loads)}")
        self._loads.append(load)
        load.start(runs)
        load.join()
        if within_s:
            load.stop(within_s)

    def at_work(self) -> dict[str, frozenset[str]]:
        """Pod → the tasks that it holds now: attempts under way in it, or deferred tasks that wait."""
        busy = [*(one.at_work() for one in self._ledger), *(one.at_work() for one in self._asked)]
        return busy[0] | self._watcher.holders()

    def roles(self) -> dict[str, str]:
        """Pod → whether it is a primary or a standby now, where that is agreed."""
        return self._primaries.roles()

    def struck(self) -> None:
        """Something was hit."""
        for late in self._late:
            late.struck()

    def drain(self, seconds: float) -> None:
        """Trigger no more, and wait up to `seconds` for the runs of each load in flight; then list scheduled runs."""
        for load in self._loads:
            load.halt()
        for load in self._loads:
            load.stop(seconds)
        for late in self._late:
            late.wait(seconds)
        self._backfills.wait(seconds)
        self._schedules.record()
        if self._primaries.watched or self._may_go:  # what one server has accepted, the next may lack
            for load in self._loads:
                kept.there(self._access.airflow(CALL_S), self._recorder, load.process, load.dag, load.prefix)

    def stop(self) -> list[str]:
        """End everything, whatever fails, and return what failed. It can be called twice."""
        problems: list[str] = []
        for load in self._loads:
            _try(lambda load=load: load.stop(0), problems)  # type: ignore[misc]
        probed = any(p.pid for p in self._probers)
        for stop in [
            *(p.stop for p in self._probers),
            *(points.stop for points in self._points),
            *([self._read_back] if probed else []),
            self._schedules.close,
            self._backfills.close,
            *(late.stop for late in self._late),
            *(reader.stop for reader in self._ledger),
            *(asked.close for asked in self._asked),
            self._primaries.stop,
            self._logs.stop,
            self._watcher.stop,
            self._machine.stop,
        ]:
            _try(stop, problems)
        return problems

    def _read_back(self) -> None:
        """Record what is left of the writes, now that nobody writes any more."""
        kept.read(lambda: self._access.airflow(CALL_S), self._recorder, self._written)


def _targets(plan: Plan, access: Access, run_id: str) -> dict[str, list[Target]]:
    """The prober's targets, by address."""
    token = access.token() if any(t.login for t in plan.probe.targets) else ""
    found: dict[str, list[Target]] = {}
    for target in plan.probe.targets:
        if url := access.url(target.entry):
            found.setdefault(url, []).extend(_series(target, token, run_id))
    return found


def _seen(plan: Plan, access: Access, run_id: str) -> tuple[Target, ...]:
    """The requests of each vantage point."""
    token = access.token() if any(t.login for t in plan.probe.seen) else ""
    return tuple(one for target in plan.probe.seen for one in _series(target, token, run_id))


def _series(target: Request, token: str, run_id: str) -> list[Target]:
    return [
        Target(
            name=target.name,
            method="PATCH" if target.write else "GET",
            path=target.at(conn),
            conn=conn,
            rate_hz=target.rate_hz,
            expect_status=200,
            headers=({"Authorization": f"Bearer {token}"} if target.login else {}) | (JSON if target.write else {}),
            must_contain=NUMBER if target.write else target.must_contain or None,
            nonce=run_id,
            body=json.dumps(target.variable(conn, f"{run_id}.{NUMBER}")) if target.write else "",
        )
        for conn in target.conn
    ]


def _try(stop: Callable[[], object], problems: list[str]) -> None:
    try:
        stop()
    except Exception as cause:  # whatever fails, the rest must be stopped
        problems.append(f"{type(cause).__name__}: {cause}")

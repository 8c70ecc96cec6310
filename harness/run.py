"""One experiment, in phases: the only module that knows all sides.

Chaos Toolkit drives it through `harness.control`. Whatever happens on the way, `close` undoes the faults, stops what
was started and closes the history; only then is it judged.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from chaoslib.experiment import ensure_experiment_is_valid, run_experiment

from harness import allowed, lease, recorded, vantages
from harness import experiment as experiments
from harness.airflow import Airflow
from harness.bounds import owed, patience_s, scheduled, unjudged
from harness.braking import gauges
from harness.chaos import context as fault_context
from harness.chaos import undoing
from harness.errors import EXIT_INTERNAL, HarnessError, UsageError
from harness.experiment import Experiment, Plan
from harness.files import write
from harness.foreign import visible
from harness.history import End, Event, Phase, Recorder
from harness.locking import only_one
from harness.observe.brake import Brake
from harness.outcome import Outcome
from harness.preflight import Ground, check_ground, describe, enter
from harness.records import ABORTED
from harness.rig import Rig
from harness.settings import Settings
from harness.signals import stop, undisturbed
from harness.stack import window

WINDOW_CALL_S = 10.0
AT_WORK_S = 30.0
PhaseName = Literal["baseline", "fault", "recovery", "cooldown"]


def at_work_s(plan: Plan) -> float:
    """Seconds of load once everything is whole again: as many as before the fault, since the same checks apply."""
    return max(AT_WORK_S, plan.phases.baseline_s)


@dataclass(frozen=True)
class Result:
    """A closed and judged run; one that was interrupted is judged as far as it got."""

    folder: Path
    outcome: Outcome
    interrupted: bool = False


class Run:
    """One run of one experiment. Nothing is touched before `open`, which refuses first and only then starts."""

    def __init__(self, experiment: Experiment, settings: Settings, remade: str = "") -> None:
        self._experiment = experiment.at(settings.stack, settings.profile)
        self._remade = remade
        self._settings = settings
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        self.folder = settings.reports / f"{experiment.name}-{stamp}"
        self._recorder: Recorder | None = None
        self._rig: Rig | None = None
        self._door: Airflow | None = None
        self._phase: PhaseName | None = None
        self._context: fault_context.Context | None = None
        self._brake = Brake((), print)
        self._claim: lease.Claim | None = None
        self._problems: list[str] = []
        self._complete = False

    def open(self) -> None:
        """Raises `UsageError`, with nothing changed, if the run cannot take place."""
        plan, settings = self._experiment.plan, self._settings
        bounds = owed(self._experiment, settings)
        self._patience_s = patience_s(plan, bounds)
        self._lock = only_one(settings)
        try:
            kube = enter(self._experiment, settings)
            self._claim = lease.take(kube, settings.namespace, self.folder.name)
            settings = self._settings = vantages.prepared(plan, settings, kube, print)
            if said := unjudged(self._experiment, settings, bounds):
                print(said)
            ground = check_ground(self._experiment, settings, kube)
            self._door = ground.access.airflow(WINDOW_CALL_S)
            names = scheduled(self._experiment, settings)
            ledger = ground.access.ledger
            schedules = window.open_for(ledger, self._door, names, self.folder.name) if ledger and names else {}
            meta = describe(self._experiment, settings, ground, bounds, self.folder.name, schedules)
        except BaseException:
            with suppress(HarnessError):
                self._close_window()
            self._leave()
            raise
        self._recorder = Recorder.create(self.folder / "history.jsonl")
        self._recorder.write(meta.model_copy(update={"remade": self._remade}))
        self._rig = Rig(plan, settings, ground.kube, ground.access, self._recorder, schedules)
        self._bind(ground, self._rig)
        self._rig.start()
        self._brake.start()

    def _leave(self) -> None:
        """Let others in: in the cluster, and on this machine."""
        self._release()
        self._lock.close()

    def _release(self) -> None:
        claim, self._claim = self._claim, None
        if claim and (lost := claim.release()):
            self._problems.append(lost)

    def _close_window(self) -> None:
        if self._door is None:
            return
        try:
            if self._experiment.plan.schedules:
                window.close(self._door)
        finally:
            self._door.close()

    def _bind(self, ground: Ground, rig: Rig) -> None:
        assert self._recorder is not None
        self._context = fault_context.Context(
            self._settings,
            ground.kube,
            self._recorder,
            self._experiment.plan.seed,
            ground.replicas,
            ground.namespaces,
            blast=self._experiment.plan.blast,
            surge=rig.surge if self._experiment.plan.surge else None,
            at_work=rig.at_work,
            roles=rig.roles,
            struck=rig.struck,
            stop=self._stop,
        )
        self._brake = Brake(gauges(self._experiment.plan, self._context), partial(self._stop, "brake"))
        self._unbind = fault_context.bind(self._context)

    def _stop(self, who: str, because: str) -> None:
        """Record who ends the run early, and why; end it as an interruption does, so that everything is undone."""
        assert self._recorder is not None
        t, said = self._recorder.now(), {"because": because}
        try:
            self._recorder.write(Event(t=t, source="probe", object=who, what=ABORTED, value=said))
        finally:
            stop()

    def baseline(self) -> None:
        """Live under load with nothing broken: the noise floor."""
        self.enter("baseline")
        time.sleep(self._experiment.plan.phases.baseline_s)

    def recover(self) -> None:
        """Keep the load up, then let the runs in flight finish: none is lost before it has had its time.

        What is whole again must be seen at work, so the load goes on for a while after the undo, however long that
        took.
        """
        phases = self._experiment.plan.phases
        self._brake.release()
        self.enter("recovery")
        until_t = time.monotonic() + phases.recovery_s
        if self._context and undoing.undo_all(self._context):
            until_t = max(until_t, time.monotonic() + at_work_s(self._experiment.plan))
        time.sleep(max(0.0, until_t - time.monotonic()))
        self.enter("cooldown")
        if self._rig:
            self._rig.drain(self._patience_s)
        self._complete = True

    def enter(self, name: PhaseName | None) -> None:
        """End the phase that is under way, and begin `name`."""
        if self._recorder is None:
            return
        now = self._recorder.now()
        if self._phase:
            self._recorder.write(Phase(t=now, name=self._phase, edge="end"))
        if name:
            self._recorder.write(Phase(t=now, name=name, edge="begin"))
        self._phase = name

    def close(self, journal: dict[str, Any]) -> Result | None:
        """Undo, stop, close, judge. Returns None if the run was refused before anything was recorded."""
        if self._recorder is None:
            return None
        with undisturbed("undoing what was broken and closing the history"):
            try:
                self._wind_up(journal)
            finally:
                self._unbind()
                self._leave()
        write(self.folder / "journal.json", json.dumps(journal, indent=2, default=str))
        outcome = recorded.check(self.folder, save=True)
        return Result(self.folder, outcome, interrupted=journal.get("status") == "interrupted")

    def _wind_up(self, journal: dict[str, Any]) -> None:
        assert self._recorder is not None
        assert self._context is not None
        self._brake.release()
        try:
            undoing.undo_all(self._context)
        except HarnessError as cause:
            self._problems.append(str(cause))
        try:
            self._close_window()
        except HarnessError as cause:
            self._problems.append(f"DAGs may still run by themselves: {cause}; run harness heal")
        self._problems += self._rig.stop() if self._rig else []
        self._release()
        self.enter(None)
        whole = self._complete and not self._problems and journal.get("status") == "completed"
        for problem in self._problems:
            print(f"problem: {visible(problem)}")
        self._recorder.write(End(t=self._recorder.now(), complete=whole))
        self._recorder.close()


Opened = Callable[[Path], None]


def _nobody(_: Path) -> None:
    """For when nobody asks which folder the history is in."""


class Desk:
    """Where a command and the control that Chaos Toolkit loads meet: it passes nothing between them."""

    def __init__(self) -> None:
        self.name = ""
        self.settings: Settings | None = None
        self.remade = ""
        self.embedded = False
        self.opened: Opened = _nobody
        self.clear()

    def clear(self) -> None:
        self.run: Run | None = None
        self.result: Result | None = None
        self.refusal: HarnessError | None = None

    def exit_code(self) -> int:
        """What the process should end with."""
        if self.refusal is not None:
            return self.refusal.exit_code
        return self.result.outcome.verdict.exit_code if self.result else EXIT_INTERNAL


desk = Desk()


def conduct(path: Path, settings: Settings, remade: str = "", opened: Opened = _nobody) -> Result:
    """As `conduct_this`, for the experiment in a file."""
    return conduct_this(experiments.load(path), settings, remade, opened)


def conduct_this(experiment: Experiment, settings: Settings, remade: str = "", opened: Opened = _nobody) -> Result:
    """Run an experiment through Chaos Toolkit, with the control that `chaos run` would load, and judge it.

    `remade` is why the stack was rebuilt before it; the history keeps that. `opened` is told the folder once there is
    a history in it.
    A run that is interrupted is wound up and judged; `interrupted` in its result says so.
    Raises `UsageError` if it is refused.
    """
    allowed.check(experiment, settings.allow_providers)
    # What Chaos Toolkit has to say is in the journal; we say what went wrong, once.
    logging.getLogger("chaostoolkit").addHandler(logging.NullHandler())
    try:
        ensure_experiment_is_valid(experiment.raw)
    except Exception as cause:  # it also trips over what it does not expect
        raise UsageError(f"{experiment.file} is not a valid Chaos Toolkit experiment: {cause}") from cause
    desk.name, desk.settings, desk.remade, desk.embedded = experiment.name, settings, remade, True
    desk.opened = opened
    try:
        journal = run_experiment(experiment.raw, settings={"controls": {}})
    finally:
        desk.name, desk.settings, desk.remade, desk.embedded = "", None, "", False
        desk.opened = _nobody
    if desk.refusal is not None:
        raise desk.refusal
    if desk.result is None:
        raise HarnessError(
            f"{experiment.file} left no verdict; Chaos Toolkit ended with status {journal.get('status')}"
        )
    return desk.result

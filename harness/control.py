"""The control that Chaos Toolkit loads to frame a run. However an experiment is started, its verdict comes from here.

Chaos Toolkit swallows what a control raises, so a refusal interrupts the experiment instead, and the journal that it
returns is given our verdict: anything but PASS counts there as a deviation.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from typing import Any

from chaoslib.exceptions import InterruptExecution
from chaoslib.run import RunEventHandler

from harness import allowed
from harness import experiment as experiments
from harness.chaos import borrowed
from harness.errors import EXIT_FAIL, EXIT_INTERNAL, HarnessError
from harness.foreign import one_line
from harness.outcome import Verdict
from harness.run import Result, Run, desk
from harness.settings import Settings
from harness.signals import stop


class _Interruptions(RunEventHandler):  # type: ignore[misc]
    """Chaos Toolkit pauses after an activity however it ended. One that was interrupted has to be undone at once."""

    def activity_completed(self, activity: Any, run: Any) -> None:
        cause = sys.exception()
        if isinstance(cause, KeyboardInterrupt | SystemExit):
            raise cause


def configure_control(event_registry: Any) -> None:
    """Make every interruption end the experiment at once. On SIGTERM, Chaos Toolkit raises an error that it then takes
    for a failure of the current action, and the method would go on."""
    event_registry.register(_Interruptions())
    signal.signal(signal.SIGTERM, lambda *_: stop())


def before_experiment_control(context: dict[str, Any]) -> None:
    """Refuse, or open the run and wait through its baseline."""
    desk.clear()
    try:
        name = desk.name or experiments.name_of(str(context.get("title")))
        settings = desk.settings or Settings()
        experiment = experiments.check(name, context)
        allowed.check(experiment, settings.allow_providers)
        desk.run = Run(experiment.seeded(settings.seed).seen_from(settings.vantage), settings, desk.remade)
        desk.run.open()
        desk.opened(desk.run.folder)
        desk.run.baseline()
    except HarnessError as cause:
        context["rollbacks"] = []  # Chaos Toolkit would still run them with --rollback-strategy=always
        _refuse(cause)
    except InterruptExecution:  # by somebody else's control: not a refusal, the run is wound up
        raise
    except Exception as cause:
        _refuse(HarnessError(f"the run could not be opened: {cause!r}; this is a defect of the harness"))


def after_hypothesis_control(context: dict[str, Any], state: dict[str, Any]) -> None:
    """Our phases decide how long a run lasts, and the history its verdict. What the hypothesis saw stays in the
    journal, probe by probe."""
    if desk.run:
        state["steady_state_met"] = True


def before_method_control(context: dict[str, Any]) -> None:
    """The fault phase begins."""
    if desk.run:
        desk.run.enter("fault")


def before_activity_control(context: dict[str, Any]) -> None:
    """We carry out the foreign actions that we know ourselves: guarded, recorded and proved."""
    if desk.run:
        borrowed.take_over(context)


def after_activity_control(context: dict[str, Any], state: dict[str, Any] | None) -> None:
    """Restore each activity for the journal, as in its file."""
    borrowed.give_back(context)
    if state is not None:
        borrowed.give_back(state["activity"])


def after_method_control(context: dict[str, Any]) -> None:
    """The fault phase ends; wait through recovery and cooldown, unless the method was interrupted."""
    if desk.run and sys.exception() is None:
        desk.run.recover()


def after_experiment_control(context: dict[str, Any], state: dict[str, Any]) -> None:
    """Undo, close the history, judge it, and give Chaos Toolkit's journal the verdict."""
    if desk.run is None:
        return
    try:
        desk.result = desk.run.close(state)
    except HarnessError as cause:
        desk.refusal = cause
        print(f"error: {cause}", file=sys.stderr)
    if desk.result is not None and not desk.embedded:
        _tell(desk.result)
    passed = desk.result is not None and desk.result.outcome.verdict is Verdict.PASS
    if not passed and state["status"] == "completed":
        state["deviated"] = True


def cleanup_control() -> None:
    """Chaos Toolkit knows only the exit codes 0 and 1; under `chaos run`, the process ends with ours."""
    if desk.embedded:
        return
    code = desk.exit_code()
    if code > EXIT_FAIL:
        atexit.register(_leave, code)


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _tell(result: Result) -> None:
    """What `chaos run` would not print: the verdict, the checks that did not pass, and where to read it."""
    for check in result.outcome.amiss:
        print(one_line(f"{check.verdict} {check.name}: {check.because}"))
    if needing := result.outcome.needing:
        print(f"{Verdict.INVALID} {needing}")
    print(one_line(f"{result.outcome.verdict} {result.outcome.experiment}: {result.folder / 'report.html'}"))


def _refuse(cause: HarnessError) -> None:
    desk.refusal = cause
    if not desk.embedded:
        prefix = "internal error" if cause.exit_code == EXIT_INTERNAL else "error"
        print(f"{prefix}: {cause}", file=sys.stderr)
    raise InterruptExecution(str(cause)) from cause

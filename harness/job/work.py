"""What the pod of a Job does: put right what an earlier one left, and run what that one did not get to.

It may be evicted at any moment. SIGTERM ends the run as Ctrl-C does, undone and closed; after SIGKILL the next pod
finds a history without an end, and heals. Either way, the next pod resumes where this one stopped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import calibrate, ground, recorded, standing
from harness.errors import HarnessError, OutOfReach, UsageError
from harness.files import write
from harness.history import NAMES, wall_now
from harness.job import turns as kept
from harness.job.turns import Turn, Turns
from harness.outcome import Verdict
from harness.progress.show import Showing
from harness.run import Result, conduct
from harness.settings import Settings
from harness.stack.steps import Look, Say, Step
from harness.target import inside

INTERRUPTED = 130


def here(settings: Settings) -> Settings:
    """The settings in this pod: writes its account's kubeconfig, and puts the ledger's address in place of its name.

    Raises `UsageError` outside a Job of ours.
    """
    if settings.target is None or not settings.job:
        raise UsageError("this is what the pod of a Job does; start one with `harness job run`")
    write(settings.aim.path, inside.kubeconfig(os.environ))
    return settings.model_copy(update={"target": inside.by_address(settings.target)})


def work(paths: Sequence[Path], settings: Settings, showing: Showing, say: Callable[[str], None]) -> int:
    """Run what is owed, and return the exit code: that of the worst verdict, or 130 if interrupted.

    Raises `UsageError` if another harness is at work, or the experiments are none.
    """
    by_name = {path.stem: path for path in paths}
    for line in standing.heal(settings):
        say(line)
    turns = resumed(kept.read(settings.reports, settings.job, tuple(by_name)), settings.reports)
    kept.keep(settings.reports, turns)
    for turn in turns.turns:
        say(f"before: {turn}")
    if turns.owed and calibrate.known(settings) is None:
        say(f"calibrating the prober, since this pod may be on another machine (expected {calibrate.SECONDS} s)")
        calibrate.calibrate(settings)
    round_ = _Round(settings, showing, say, tuple(by_name), turns)
    while round_.turns.owed:
        name = round_.turns.owed[0]
        if not round_.run(name, by_name[name]):
            return INTERRUPTED
    say(f"{round_.turns.verdict} over {len(by_name)} experiments")
    return round_.turns.verdict.exit_code


def resumed(turns: Turns, reports: Path) -> Turns:
    """With the outcome of the turn that was under way when its pod ended; its history is closed by now."""
    last = turns.turns[-1] if turns.turns else None
    return turns.with_(settled(last, reports)) if last and last.open else turns


def settled(turn: Turn, reports: Path) -> Turn:
    """A turn that was cut, judged as far as it got. If nothing was recorded, nothing can be said about it."""
    folder = reports / turn.run_id
    if not turn.run_id or not any((folder / name).is_file() for name in NAMES):
        return turn.model_copy(update={"cut": True, "verdict": Verdict.INVALID})
    return turn.model_copy(update={"cut": True, "verdict": recorded.check(folder, save=True).verdict})


@dataclass
class _Round:
    """One pod's share of the work, and how its last run left the stack."""

    settings: Settings
    showing: Showing
    say: Callable[[str], None]
    names: tuple[str, ...]
    turns: Turns
    steady: bool = field(default=False)

    def run(self, name: str, path: Path) -> bool:
        """Take one turn, and keep its outcome. False if it was interrupted."""
        turn = Turn(experiment=name, wall=wall_now())
        self._keep(turn)
        try:
            result = self._conducted(turn, name, path)
        except OutOfReach as cause:
            self._tell(turn.model_copy(update={"skipped": str(cause)}))
            return True
        except HarnessError as cause:
            self.steady = False
            self._tell(turn.model_copy(update={"refused": str(cause), "verdict": Verdict.INVALID}))
            return True
        self.steady = result.outcome.verdict is Verdict.PASS
        came = {"run_id": result.folder.name, "verdict": result.outcome.verdict, "cut": result.interrupted}
        self._tell(turn.model_copy(update=came))
        return not result.interrupted

    def _conducted(self, turn: Turn, name: str, path: Path) -> Result:
        remade = "" if self.steady else ground.ensure(self.settings, _Unseen())
        with self.showing.watching(self.names.index(name) + 1) as watch:

            def opened(folder: Path) -> None:
                self._keep(turn.model_copy(update={"run_id": folder.name}))
                watch.opened(folder)

            result = conduct(path, self.settings, remade, opened)
            watch.judged(result.outcome)
        return result

    def _keep(self, turn: Turn) -> None:
        self.turns = self.turns.with_(turn)
        kept.keep(self.settings.reports, self.turns)

    def _tell(self, turn: Turn) -> None:
        self._keep(turn)
        self.say(str(turn))


class _Unseen:
    """Shows the steps of `up` nowhere, since no pod brings a stack up."""

    def begin(self, step: Step, look: Look) -> Say:
        return lambda _: None

    def end(self, step: Step, seconds: float) -> None:
        pass

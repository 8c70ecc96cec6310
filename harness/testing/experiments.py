"""One test for each experiment and stack: run it on the standing stack, and pass only on a verdict of PASS."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from harness import allowed, experiment, known, pace, recorded
from harness import ground as grounds
from harness.commands.console import Progress
from harness.errors import HarnessError, OutOfReach
from harness.foreign import one_line
from harness.kills import checks_of
from harness.outcome import Outcome, Verdict
from harness.progress.show import Planned, Showing, Watched
from harness.run import conduct
from harness.settings import STACKS, Settings, here
from harness.testing.plugin import experiments_in
from harness.testing.selection import Case, cases, offered, part

Watching = Callable[[], AbstractContextManager[Watched]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    said = metafunc.config
    repeat = said.getoption("chaos_repeat")
    try:
        chosen = _chosen(said)
    except (HarnessError, ValueError) as cause:
        raise pytest.UsageError(str(cause)) from cause
    if repeat < 1:
        raise pytest.UsageError("repeat must be 1 or more: no run is no verdict")
    runs = [
        pytest.param(case, number, id=f"{case.name}-{number + 1}", marks=[getattr(pytest.mark, m) for m in case.marks])
        for case in chosen
        for number in range(repeat)
    ]
    metafunc.parametrize(("case", "number"), runs)


def _chosen(said: pytest.Config) -> list[Case]:
    """The cases that the options select. Raises ValueError or `UsageError` if they make no sense."""
    stacks = said.getoption("chaos_stack")
    if strange := sorted(set(stacks) - set(STACKS)):
        raise ValueError(f"stack {strange[0]}: there is no such stack; there are: {', '.join(STACKS)}")
    outside = Settings.of()
    every = cases(said.getoption("chaos_profile") or outside.profile, outside.slo_file)
    chosen = offered(every, stacks, said.getoption("-m"), said.getoption("-k"))
    if stacks and not chosen:
        raise ValueError(f"no experiment has bounds on {', '.join(stacks)} in this profile (slo.yaml)")
    return part(chosen, said.getoption("chaos_part"))


def excuse(outcome: Outcome, folder: Path) -> str | None:
    """Why a run that is not a PASS says nothing about the suite: the processors slowed down while it was under way."""
    if outcome.verdict is Verdict.PASS or not (slow := recorded.slow(folder)):
        return None
    return f"{outcome.verdict}, but {slow}: {folder}"


class Ground:
    """What the last experiment left behind: the next one starts from there, or after a repair."""

    def __init__(self) -> None:
        self.steady = True

    def prepare(self, settings: Settings) -> str:
        """Why the stack had to be rebuilt for this experiment, or nothing."""
        passed, self.steady = self.steady and grounds.stands(settings), False
        return "" if passed else grounds.ensure(settings, Progress())

    def left(self, outcome: Outcome) -> None:
        self.steady = outcome.verdict is Verdict.PASS


@pytest.fixture(scope="session")
def ground() -> Ground:
    return Ground()


@pytest.fixture(scope="session")
def showing(request: pytest.FixtureRequest, chaos_settings: Settings, chaos_console: Console | None) -> Showing:
    """All runs of this session, and where their progress is shown."""
    planned = []
    for item in experiments_in(request.session.items):
        case: Case = item.callspec.params["case"]  # type: ignore[attr-defined]
        there = chaos_settings.model_copy(update={"stack": case.stack})
        planned.append(Planned(experiment.load(case.path).at(there.stack, there.profile), there.deployment))
    return Showing(chaos_console, planned, chaos_settings.reports)


@pytest.fixture
def watching(request: pytest.FixtureRequest, showing: Showing) -> Watching:
    """Show progress on lines of its own, not behind pytest's dots."""
    reporter, capture = (
        request.config.pluginmanager.getplugin(name) for name in ("terminalreporter", "capturemanager")
    )
    number = experiments_in(request.session.items).index(request.node) + 1

    def watched() -> AbstractContextManager[Watched]:
        if showing.shown:
            with capture.global_and_fixture_disabled() if capture else nullcontext():
                reporter.ensure_newline()
                reporter.flush()
        return showing.watching(number)

    return watched


def test_experiment(
    case: Case,
    number: int,
    chaos_settings: Settings,
    ground: Ground,
    watching: Watching,
    chaos_results: list[tuple[Path, Outcome, str]],
) -> None:
    """A known FAIL that is not ours is expected; if it passes instead, that is a failure."""
    there = chaos_settings.model_copy(update={"stack": case.stack})
    allowed.check(experiment.load(case.path), there.allow_providers)  # before one stack replaces another
    if there.skip_slow and (slow := pace.too_slow()):
        pytest.skip(slow)
    remade = ground.prepare(there)
    seeded = there if there.seed is None else there.model_copy(update={"seed": there.seed + number})
    with watching() as watch:
        try:
            result = conduct(case.path, seeded, remade, watch.opened)
        except OutOfReach as cause:
            pytest.skip(str(cause))
        watch.judged(result.outcome)
    ground.left(result.outcome)
    expected = known.load(here("known.yaml"), case.path.stem, there.deployment)
    as_known = expected is not None and expected.explains(
        *(checks_of(result.outcome, bad) for bad in (Verdict.FAIL, Verdict.INVALID))
    )
    remark = f"known: {expected.because} {expected.issue}" if expected and as_known else ""
    chaos_results.append((result.folder, result.outcome, remark))
    if as_known:
        pytest.xfail(remark)
    if there.skip_slow and (slow := excuse(result.outcome, result.folder)):
        pytest.skip(slow)
    bad = [one_line(f"{c.name} {c.verdict}: {c.because}") for c in result.outcome.amiss]
    bad += filter(None, [result.outcome.needing])
    assert result.outcome.verdict is Verdict.PASS, "\n".join([f"{result.folder}:", *bad])
    assert expected is None, (
        f"{case.name} is known to FAIL and passed: is {expected.issue} mended? Take it out of known.yaml"
    )

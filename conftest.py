"""Options and fixtures only. `pytest -m chaos` and `-m stack` need a standing stack (`make up`)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings as hypothesis

from harness.foreign import one_line
from harness.outcome import Outcome
from harness.settings import Settings

# How long an example takes says nothing on a machine that is shared.
hypothesis.register_profile("patient", deadline=None)
hypothesis.load_profile("patient")

RESULTS = pytest.StashKey[list[tuple[Path, Outcome, str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos", "experiments on the real cluster")
    group.addoption("--stack", action="append", default=[], metavar="NAME", help="on this stack; may be given again")
    group.addoption("--profile", choices=("tuned", "defaults"), help="of settings, and of bounds")
    group.addoption("--part", default="1/1", metavar="K/N", help="every N-th experiment from the K-th on")
    group.addoption("--repeat", type=int, default=1, metavar="N", help="each experiment so many times")
    group.addoption("--seed", type=int, metavar="S", help="of each experiment's first run")
    allowing = "let experiments run this too; may be given again"
    group.addoption("--allow-providers", action="append", default=[], metavar="NAME", help=allowing)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = []


@pytest.fixture(scope="session")
def settings(pytestconfig: pytest.Config) -> Settings:
    """The settings of the standing stack, as every command reads them."""
    said = {name: pytestconfig.getoption(f"--{name}") for name in ("profile", "seed")}
    said["allow_providers"] = pytestconfig.getoption("--allow-providers") or None
    return Settings.model_validate({name: value for name, value in said.items() if value is not None})


@pytest.fixture
def chaos_results(request: pytest.FixtureRequest) -> list[tuple[Path, Outcome, str]]:
    """Where an experiment leaves its folder, its outcome and what is known of it, for the table at the end."""
    return request.config.stash[RESULTS]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The verdict of every experiment, with what was measured, and where its report is."""
    for folder, outcome, remark in config.stash[RESULTS]:
        terminalreporter.section(one_line(f"{outcome.experiment} on {outcome.stack}: {outcome.verdict}"))
        for check in outcome.checks:
            terminalreporter.line(one_line(f"{check.verdict!s:8} {check.name:28} {check.because}"))
        if remark:
            terminalreporter.line(one_line(remark))
        terminalreporter.line(f"report: {folder / 'report.html'}")

"""Options and fixtures only. `pytest -m chaos` and `-m stack` need a standing stack (`make up`)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings as hypothesis

from harness.outcome import Outcome
from harness.settings import Settings

# How long an example takes says nothing on a machine that is shared.
hypothesis.register_profile("patient", deadline=None)
hypothesis.load_profile("patient")

RESULTS = pytest.StashKey[list[tuple[Path, Outcome]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = []


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The settings of the standing stack, as every command reads them."""
    return Settings()


@pytest.fixture
def chaos_results(request: pytest.FixtureRequest) -> list[tuple[Path, Outcome]]:
    """Where an experiment leaves its folder and outcome for the table at the end."""
    return request.config.stash[RESULTS]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The verdict of every experiment, with what was measured, and where its report is."""
    for folder, outcome in config.stash[RESULTS]:
        terminalreporter.section(f"{outcome.experiment} on {outcome.stack}: {outcome.verdict}")
        for check in outcome.checks:
            terminalreporter.line(f"{check.verdict!s:8} {check.name:28} {check.because}")
        terminalreporter.line(f"report: {folder / 'report.html'}")

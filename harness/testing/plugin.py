"""The pytest plugin: `pytest -m chaos` runs experiments, in any repository.

Every call of pytest loads it wherever the package is installed. So it imports nothing else of the harness, and offers,
marks and prints nothing, unless an experiment is asked for. Each option begins with `--chaos-`, as another plugin may
have its short name.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.mark.expression import Expression
    from rich.console import Console

    from harness.outcome import Outcome
    from harness.settings import Settings

EXPERIMENTS = "harness.testing.experiments"
NAME = "experiments"  # what the tests' ids begin with
WORD = re.compile(r"[\w:+.\[\]\\/-]+")  # what -m takes as a name
MOST_WORDS = 10  # in one -m, each of which doubles the work; if there are more, the choice is left to pytest
RESULTS = pytest.StashKey[list[tuple[Path, "Outcome", str]]]()
MARKED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser, "--chaos-")


def add_options(parser: pytest.Parser, prefix: str) -> None:
    """The options, with this prefix."""
    group = parser.getgroup("chaos", "experiments on the real cluster")

    def add(name: str, **how: Any) -> None:
        group.addoption(f"{prefix}{name}", dest=f"chaos_{name.replace('-', '_')}", **how)

    add("stack", action="append", default=[], metavar="NAME", help="only on this stack; may be repeated")
    add("profile", choices=("tuned", "defaults"), help="the settings and bounds to use")
    add("part", default="1/1", metavar="K/N", help="only every N-th experiment, from the K-th on")
    add("repeat", type=int, default=1, metavar="N", help="run each experiment N times")
    add("target", metavar="FILE", help="run on the deployment that this file describes")
    add("seed", type=int, metavar="S", help="seed of each experiment's first run")
    allowing = "let experiments run this too; may be repeated"
    add("allow-providers", action="append", default=[], metavar="NAME", help=allowing)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = []
    _register(config, ["chaos"], "runs an experiment on the real cluster and judges it")
    if asked_for(config.getoption("-m")):
        register_marks(config)


def register_marks(config: pytest.Config) -> None:
    """Register the marks that experiments bear, only once. Raises pytest's `UsageError` if a file is not valid."""
    if config.stash.get(MARKED, False):
        return
    config.stash[MARKED] = True
    from harness.errors import HarnessError  # noqa: PLC0415
    from harness.testing.selection import marks  # noqa: PLC0415

    try:
        _register(config, marks(), "experiments on or of it")
    except HarnessError as cause:
        raise pytest.UsageError(str(cause)) from cause


def _register(config: pytest.Config, names: Sequence[str], meaning: str) -> None:
    """Register those that the repository does not."""
    known = {line.partition(":")[0].strip() for line in config.getini("markers")}
    for name in names:
        if name not in known:
            config.addinivalue_line("markers", f"{name}: {meaning}")


def asked_for(expression: str) -> bool:
    """Whether `-m` names chaos, and can select a test with that mark and any of the others that it names."""
    names = set(WORD.findall(expression)) - {"and", "or", "not"}
    if "chaos" not in names:
        return False
    from _pytest.mark import expression as language  # noqa: PLC0415

    try:
        chosen = language.Expression.compile(expression)
    except SyntaxError:  # pytest says so itself
        return False
    others = sorted(names - {"chaos"})
    sets = ({"chaos", *some} for size in range(len(others) + 1) for some in combinations(others, size))
    return len(others) > MOST_WORDS or any(_takes(chosen, some) for some in sets)


def _takes(chosen: Expression, marks: set[str]) -> bool:
    return chosen.evaluate(lambda name, /, **_: name in marks)


class Experiments(pytest.Module):
    """The module of the experiments' test, imported by name: its file is not in the repository."""

    def _getobj(self) -> Any:
        return importlib.import_module(EXPERIMENTS)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Offer the experiments if asked for by mark, without a path, and if the repository has no tests of them itself."""
    if config.args_source is pytest.Config.ArgsSource.ARGS or not asked_for(config.getoption("-m")):
        return
    if not session.testsfailed and not experiments_in(items):  # what failed may be just those tests
        path = Path(__file__).with_name(f"{NAME}.py")
        items += session.genitems(Experiments.from_parent(session, path=path, nodeid=NAME))


def experiments_in(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The items that run an experiment, from whichever module."""
    return [item for item in items if _home(item) == EXPERIMENTS]


def _home(item: pytest.Item) -> str:
    return str(getattr(getattr(item, "function", None), "__module__", ""))


@pytest.fixture(scope="session")
def chaos_settings(pytestconfig: pytest.Config) -> Settings:
    """The settings of the standing stack, as every command reads them."""
    from harness.settings import Settings  # noqa: PLC0415

    said = {name: pytestconfig.getoption(f"chaos_{name}") for name in ("profile", "seed", "target")}
    said["allow_providers"] = pytestconfig.getoption("chaos_allow_providers") or None
    return Settings.model_validate({name: value for name, value in said.items() if value is not None})


@pytest.fixture
def chaos_results(request: pytest.FixtureRequest) -> list[tuple[Path, Outcome, str]]:
    """Where an experiment leaves its folder, its outcome and what is known of it, for the table at the end."""
    return request.config.stash[RESULTS]


@pytest.fixture(scope="session")
def chaos_console(pytestconfig: pytest.Config) -> Iterator[Console | None]:
    """Where progress goes: past pytest's capture. With -q, and in a worker of xdist, nowhere."""
    plugins = pytestconfig.pluginmanager
    if pytestconfig.get_verbosity() < 0 or hasattr(pytestconfig, "workerinput") or not plugins.has_plugin("terminal"):
        yield None
        return
    from harness.commands.console import SafeConsole  # noqa: PLC0415

    capture = plugins.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        descriptor = os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2)
    width = os.get_terminal_size(descriptor).columns if os.isatty(descriptor) else None
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        yield SafeConsole(file=file, width=width)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One table of all experiments, and the checks that did not pass; with -v, every check."""
    if not (results := config.stash[RESULTS]):
        return
    from harness.commands import console, ending  # noqa: PLC0415
    from harness.settings import Settings  # noqa: PLC0415

    floors = ending.floors(Settings().reports)
    rows = [ending.row(outcome, folder, floors, remark) for folder, outcome, remark in results]
    text = io.StringIO()
    colours = terminalreporter.hasmarkup
    console.show(rows, config.get_verbosity() > 0, console.SafeConsole(file=text, width=120, force_terminal=colours))
    terminalreporter.section("experiments")
    terminalreporter.write(text.getvalue())

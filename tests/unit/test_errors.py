"""The tree of errors is the one that its page draws, and every leaf has its exit code."""

from __future__ import annotations

import inspect

import pytest

from harness import errors
from harness.errors import CommandFailed, FaultError, HarnessError, HistoryError, StackError, UsageError, WaitTimeout

TREE = [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, HarnessError)]


@pytest.mark.parametrize("error", TREE)
def test_every_error_is_drawn_in_the_tree(error: type[HarnessError]) -> None:
    assert error.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError, 64), (StackError, 70), (CommandFailed, 70), (FaultError, 70), (WaitTimeout, 70), (HistoryError, 64)],
)
def test_exit_codes(error: type[HarnessError], code: int) -> None:
    assert error.exit_code == code


def test_exit_codes_are_distinct() -> None:
    codes = [errors.EXIT_PASS, errors.EXIT_FAIL, errors.EXIT_INVALID, errors.EXIT_USAGE, errors.EXIT_INTERNAL]
    assert codes == [0, 1, 2, 64, 70]


def test_a_failed_command_is_a_failed_step_and_keeps_its_evidence() -> None:
    error = CommandFailed("it failed", 3, "bad news")
    assert isinstance(error, StackError)
    assert (str(error), error.returncode, error.output) == ("it failed", 3, "bad news")

"""What a campaign does next, and what it keeps; the runs themselves are the cluster's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.campaigns.campaign import AT_ONCE, NAME, PAGE, _due, _kept, _tried, read
from harness.errors import UsageError
from harness.kills import Fate, Matrix, Trial
from harness.mutant import Mutant
from harness.outcome import Check, Outcome, Verdict
from tests.unit.test_kills import trial

MUTANT = Mutant.model_validate(
    {
        "name": "m",
        "digest": "d",
        "title": "A defect",
        "class": "grace",
        "stack": "celery",
        "experiment": "null",
        "check": "tasks.lost",
    }
)
SUITE = MUTANT.model_copy(update={"kind": "suite"})
ELSEWHERE = MUTANT.model_copy(update={"stack": "kubernetes"})


def tried(count: int, controls: int = 0) -> Matrix:
    return Matrix(trials=(*(trial(f"m{n}") for n in range(count)), *(trial("") for _ in range(controls))))


@pytest.mark.parametrize(
    ("matrix", "mutant", "due"),
    [
        (tried(0), SUITE, False),
        (tried(1), MUTANT, False),
        (tried(1), SUITE, True),
        (tried(1), ELSEWHERE, True),
        (tried(AT_ONCE), MUTANT, True),
        (tried(AT_ONCE, AT_ONCE), ELSEWHERE, False),
    ],
)
def test_the_good_stack_is_put_back_where_it_is_wanted_or_was_long_ago(
    matrix: Matrix, mutant: Mutant, due: bool
) -> None:
    assert _due(matrix, mutant) is due


def test_what_was_kept_is_read_again_however_the_campaign_ended(tmp_path: Path) -> None:
    said: list[str] = []
    trials = [trial(verdict=Verdict.FAIL, failed=("named",)), trial("n", Verdict.INVALID)]
    kept = _kept(Matrix(), trials, tmp_path, said.append)
    assert read(tmp_path) == kept
    assert (tmp_path / PAGE).is_file()
    assert said == ["m: killed by the named check (named)", "n: invalid (nothing red)"]
    again = read(tmp_path)
    assert again.tried("m", "d")
    assert not again.tried("n", "d"), "what could not be judged is tried again"


def test_a_trial_is_kept_before_the_next_begins(tmp_path: Path) -> None:
    def trials() -> Iterator[Trial]:
        yield trial()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _kept(Matrix(), trials(), tmp_path, lambda _: None)
    assert [t.mutant for t in read(tmp_path).trials] == ["m"]


def test_a_matrix_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{}}", encoding="utf-8")
    with pytest.raises(UsageError, match="move it away"):
        read(tmp_path)


def test_a_run_that_is_refused_is_not_judged_and_says_why() -> None:
    def refused() -> Outcome:
        raise UsageError("the stack is not up: worker 0 of 2 Ready")

    found = _tried(trial(), refused, "every component Ready did not come true; ")
    assert found.fate is Fate.INVALID
    assert found.because == "every component Ready did not come true; the stack is not up: worker 0 of 2 Ready"


def test_why_another_check_killed_is_kept() -> None:
    check = Check(
        name="other", verdict=Verdict.FAIL, measure=1, limit=0, unit="count", origin="", because="One was lost."
    )
    outcome = Outcome(run_id="r", experiment="null", stack="celery", verdict=Verdict.FAIL, checks=(check,))
    found = _tried(trial(), lambda: outcome)
    assert (found.fate, found.failed, found.because) == (Fate.OTHER, ("other",), "One was lost.")

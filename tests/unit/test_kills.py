"""What became of each mutant, and of the controls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kills import Fate, Matrix, Trial, table
from harness.outcome import Verdict


def trial(mutant: str = "m", verdict: Verdict = Verdict.PASS, **other: object) -> Trial:
    said = {
        "digest": "d",
        "title": "A defect",
        "kind": "grace",
        "stack": "celery",
        "experiment": "null",
        "check": "named",
    }
    came = {"run_id": "r", "wall": "2026-01-01T00:00:00Z", "verdict": verdict, "failed": (), "doubted": ()}
    return Trial.model_validate({"mutant": mutant, **said, **came, **other})


@pytest.mark.parametrize(
    ("found", "fate"),
    [
        (trial(verdict=Verdict.FAIL, failed=("other", "named")), Fate.NAMED),
        (trial(verdict=Verdict.FAIL, failed=("other",)), Fate.OTHER),
        (trial(), Fate.SURVIVED),
        (trial(verdict=Verdict.INVALID, doubted=("named",)), Fate.INVALID),
        (trial(verdict=Verdict.FAIL, failed=("as good",), also=("as good",)), Fate.NAMED),
        (trial(verdict=Verdict.INVALID, doubted=("evidence.fault",), check="evidence.fault"), Fate.NAMED),
        (trial(verdict=Verdict.INVALID, doubted=("evidence.fault",)), Fate.INVALID),
        (trial(verdict=Verdict.INVALID, doubted=("named",), kind="suite"), Fate.NAMED),
        (trial(verdict=Verdict.INVALID, doubted=("other",), kind="suite"), Fate.INVALID),
    ],
)
def test_a_fate_is_by_what_failed(found: Trial, fate: Fate) -> None:
    assert found.fate is fate


def test_the_newest_trial_of_a_mutant_counts() -> None:
    matrix = Matrix().with_(trial()).with_(trial(verdict=Verdict.FAIL, failed=("named",)))
    assert [t.fate for t in matrix.mutants] == [Fate.NAMED]


def test_a_fate_that_was_another_before_is_not_forgotten() -> None:
    survived, killed = trial(), trial(verdict=Verdict.FAIL, failed=("named",))
    matrix = Matrix().with_(survived).with_(killed)
    assert matrix.before(killed) == (Fate.SURVIVED,)
    assert "killed by the named check (before: survived)" in table(matrix)
    assert "before" not in table(Matrix().with_(killed).with_(killed))
    assert "before" not in table(Matrix().with_(trial(digest="another")).with_(killed))


def test_what_was_tried_is_not_tried_again_unless_it_changed_or_was_not_judged() -> None:
    matrix = Matrix().with_(trial()).with_(trial("n", Verdict.INVALID))
    assert matrix.tried("m", "d")
    assert not matrix.tried("m", "another")
    assert not matrix.tried("n", "d")
    assert not matrix.tried("o", "d")


def test_a_red_control_is_an_alarm_without_a_cause() -> None:
    matrix = Matrix().with_(trial("")).with_(trial("", Verdict.FAIL, failed=("tasks.lost",))).with_(trial())
    assert (len(matrix.controls), len(matrix.red), len(matrix.mutants)) == (2, 1, 1)


def test_what_was_seen_at_rest_is_no_fate_and_owes_no_control() -> None:
    matrix = Matrix().with_(trial(rest=True, verdict=Verdict.FAIL, failed=("named",)))
    assert matrix.mutants == matrix.owed == matrix.red == ()
    assert not matrix.tried("m", "d")
    seen = matrix.with_(trial()).at_rest("m")
    assert seen is not None
    assert seen.verdict is Verdict.FAIL


@given(st.lists(st.builds(trial, st.sampled_from(["a", "b", ""]), rest=st.just(False))))
def test_there_are_to_be_as_many_controls_as_trials(trials: list[Trial]) -> None:
    matrix = Matrix(trials=tuple(trials))
    whole = Matrix(trials=(*trials, *(t.model_copy(update={"mutant": ""}) for t in matrix.owed)))
    assert not whole.owed
    assert len(whole.controls) >= sum(bool(t.mutant) for t in trials)


def test_what_does_not_count_stands_below_the_table() -> None:
    said = table(Matrix().with_(trial()), ["late"], [("other", "A thing", "It cannot matter.")])
    assert said.endswith("- `other`: A thing. It cannot matter.\n")
    assert said.startswith("1 mutants: 0 killed")
    assert "## Not tried yet\n\n1: `late`.\n" in said


def test_a_row_says_the_fate_what_else_was_red_and_why_where_the_named_check_missed() -> None:
    many = tuple(f"tasks.{number}" for number in range(6))
    rows = table(Matrix(trials=(trial(failed=("named", *many)),))).splitlines()[-1]
    assert "| killed by the named check | `tasks.0`, `tasks.1`, `tasks.2`, `tasks.3` and 2 more |" in rows
    rows = table(Matrix(trials=(trial(failed=("tasks.lost",), because="none | was"),))).splitlines()[-1]
    assert rows.endswith("| killed by another: none \\| was | `tasks.lost` |")


@given(st.lists(st.builds(trial, st.sampled_from(["a", "b", ""]), st.sampled_from(list(Verdict)))))
def test_every_mutant_has_one_fate_and_a_row(trials: list[Trial]) -> None:
    matrix = Matrix(trials=tuple(trials))
    assert sum(matrix.count(fate) for fate in Fate) == len(matrix.mutants) == len({t.mutant for t in trials} - {""})
    assert table(matrix).count("A defect") == len(matrix.mutants)
    assert table(matrix).startswith(f"{len(matrix.mutants)} mutants: ")

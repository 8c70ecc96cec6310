"""What a Job still owes, and its verdict: nothing runs twice, and nothing unknown passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.job import turns as kept
from harness.job.turns import TRIES, Turn, Turns
from harness.outcome import Verdict

NAMES = ("a", "b", "c")


def turn(name: str, verdict: Verdict | None = Verdict.PASS, *, cut: bool = False, skipped: str = "") -> Turn:
    return Turn(experiment=name, wall="", run_id=f"{name}-1", verdict=verdict, cut=cut, skipped=skipped)


def turns(*some: Turn) -> Turns:
    return Turns(job="j", asked=NAMES, turns=some)


def test_what_was_run_to_its_end_is_not_run_again() -> None:
    assert turns().owed == NAMES
    assert turns(turn("a"), turn("b", Verdict.FAIL)).owed == ("c",)
    assert turns(turn("a"), turn("b", Verdict.INVALID), turn("c", None, skipped="closed")).owed == ()


def test_what_was_cut_has_another_turn_and_then_no_more() -> None:
    cut = turn("a", Verdict.INVALID, cut=True)
    assert turns(cut).owed == NAMES
    assert turns(*[cut] * TRIES).owed == ("b", "c")
    assert turns(*[cut] * TRIES, turn("b"), turn("c")).verdict is Verdict.INVALID
    assert turns(cut, turn("a"), turn("b"), turn("c")).verdict is Verdict.PASS


def test_a_fail_stays_though_its_run_was_cut() -> None:
    assert turns(turn("a", Verdict.FAIL, cut=True), turn("a"), turn("b"), turn("c")).verdict is Verdict.FAIL


def test_what_is_skipped_says_nothing_and_is_no_pass_alone() -> None:
    skipped = [turn(name, None, skipped="closed") for name in NAMES]
    assert turns(*skipped).verdict is Verdict.INVALID
    assert turns(skipped[0], skipped[1], turn("c")).verdict is Verdict.PASS
    assert turns(skipped[0], skipped[1], turn("c", Verdict.FAIL)).verdict is Verdict.FAIL
    assert str(skipped[0]) == "skipped a: closed"


def test_an_open_turn_is_replaced_by_what_came_of_it() -> None:
    begun = turns().with_(turn("a", None))
    assert begun.turns[-1].open
    assert begun.with_(turn("a")).turns == (turn("a"),)
    assert begun.with_(turn("a")).with_(turn("b", None)).turns == (turn("a"), turn("b", None))


each = st.builds(
    turn,
    st.sampled_from(NAMES),
    st.sampled_from([*Verdict, None]),
    cut=st.booleans(),
    skipped=st.sampled_from(["", "", "closed"]),
)


@given(st.lists(each, max_size=9))
def test_a_pass_needs_an_end_of_each_that_is_not_skipped(some: list[Turn]) -> None:
    found = turns(*some)
    if found.verdict is Verdict.PASS:
        for name in NAMES:
            of = found.of(name)
            assert any(one.skipped for one in of) or (of and of[-1].verdict is Verdict.PASS)
            assert Verdict.FAIL not in [one.verdict for one in of if not any(o.skipped for o in of)]
        assert any(not any(o.skipped for o in found.of(name)) for name in NAMES)


def test_they_are_kept_and_those_of_another_set_are_refused(tmp_path: Path) -> None:
    found = kept.read(tmp_path, "j", NAMES)
    assert found == turns()
    kept.keep(tmp_path, found.with_(turn("a")))
    assert kept.read(tmp_path, "j", NAMES) == turns(turn("a"))
    assert kept.read(tmp_path, "another", ("x",)).turns == ()
    with pytest.raises(UsageError, match="is of other experiments"):
        kept.read(tmp_path, "j", ("a", "b"))
    kept.path(tmp_path, "j").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be read"):
        kept.read(tmp_path, "j", NAMES)

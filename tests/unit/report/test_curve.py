"""The curve of a measure at several settings: each dot is where its numbers say."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.outcome import Check, Outcome, Verdict
from harness.report.curve import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, curves


def outcome(*measured: tuple[float, float]) -> Outcome:
    check = Check(
        name="scaling.gain",
        verdict=Verdict.PASS,
        measure=4,
        limit=2,
        unit="times",
        origin="origin",
        because="four times as much",
        curve=measured,
    )
    return Outcome(run_id="run", experiment="local-scale-up", stack="local", verdict=Verdict.PASS, checks=(check,))


def test_no_curve_is_drawn_of_fewer_than_two_settings() -> None:
    assert curves(outcome()) == curves(outcome((2, 0.5))) == ()


def test_the_least_setting_is_on_the_left_and_the_largest_measure_on_top() -> None:
    (curve,) = curves(outcome((8, 2.0), (2, 0.0), (4, 1.0)))
    assert [(dot.setting, dot.measure) for dot in curve.dots] == [(2, 0.0), (4, 1.0), (8, 2.0)]
    assert [dot.x for dot in curve.dots] == [LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT]
    assert [dot.y for dot in curve.dots] == [HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2, TOP]
    assert curve.line == "40,180 280,105 520,30"


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=2, max_size=9))
def test_every_dot_is_within_the_picture(measured: list[tuple[float, float]]) -> None:
    (curve,) = curves(outcome(*measured))
    assert all(LEFT <= dot.x <= WIDTH - RIGHT and TOP <= dot.y <= HEIGHT - BOTTOM for dot in curve.dots)


def test_a_verdict_without_a_curve_does_not_mention_it(tmp_path: Path) -> None:
    for made, said in ((outcome(), False), (outcome((2, 0.5), (4, 1.0)), True)):
        made.save(tmp_path / "verdict.json")
        assert ("curve" in (tmp_path / "verdict.json").read_text(encoding="utf-8")) is said
        assert Outcome.load(tmp_path / "verdict.json") == made

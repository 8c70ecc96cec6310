"""Where a run is fits into a line, whatever it is called and whatever was seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.experiment import Phases
from harness.history import NS
from harness.outcome import Outcome, Verdict
from harness.progress.seen import News, Seen
from harness.progress.words import Place, about, ended, left_s, line, opening, told, where

PHASES = Phases(baseline_s=30, recovery_s=60, cooldown_s=45)
PLACE = Place("webserver-kill", "celery", 2, 11, PHASES, takes_s=120, later_s=600)


def at(phase: str, since_s: float = 0, **fields: object) -> Seen:
    seen = Seen()
    seen.phase, seen.since = phase, round(since_s * NS)
    for name, value in fields.items():
        setattr(seen, name, value)
    return seen


@pytest.mark.parametrize(
    ("seen", "now_s", "said"),
    [
        (at(""), 0, "looking at the stack"),
        (at("baseline", 1), 11, "baseline, 20 s left"),
        (at("fault", 31), 34, "fault for 3 s"),
        (at("recovery", 34), 94, "recovery, 0 s left"),
        (at("recovery", 34), 106, "recovery, 12 s more than 60"),
        (at("cooldown", 106), 110, "cooldown, 41 s left"),
        (at("", requests=3), 110, "winding up"),
        (at("", requests=3, over=True), 110, "being judged"),
    ],
)
def test_the_phase_with_what_is_left_of_it(seen: Seen, now_s: int, said: str) -> None:
    assert where(PHASES, seen, now_s * NS) == said


def test_a_line_says_what_matters() -> None:
    seen = at("recovery", 34, requests=812, bad=3, recovered={"recovery.first_heartbeat": 9.21})
    seen.hit = {("f", "a"): "airflow/a", ("f", "b"): "airflow/b"}
    seen.proved = {("f", "a"): "airflow/a"}
    assert line(PLACE, seen, 50 * NS) == (
        "2/11 webserver-kill · recovery, 44 s left · 2 hit, 1 proved · 3 of 812 requests bad · about 11 min left · "
        "first heartbeat 9.2 s"
    )
    assert opening(PLACE) == "2/11 webserver-kill on celery: about 2 min, about 12 min for all that remain"
    assert told(PLACE, seen, News(34 * NS, "recovery")) == "2/11   34.0 s recovery, 60 s; 3 of 812 requests bad so far"
    assert told(PLACE, seen, News(34 * NS, "fault")) == "2/11   34.0 s fault"
    seen.t = 108 * NS
    outcome = Outcome(run_id="r", experiment="webserver-kill", stack="celery", verdict=Verdict.FAIL, checks=())
    assert ended(PLACE, seen, outcome) == "2/11 FAIL webserver-kill on celery in 108 s"


@given(st.text(), st.text(), st.sampled_from(["", "baseline", "fault", "recovery", "cooldown"]), st.integers(0, 10**14))
def test_no_name_steers_the_terminal_or_begins_a_line(name: str, hit: str, phase: str, now_t: int) -> None:
    place = Place(name, name, 1, 1, PHASES, takes_s=10)
    seen = at(phase, requests=1, recovered={name: 1.0})
    seen.hit = {(hit, hit): hit}
    for said in (line(place, seen, now_t), opening(place), told(place, seen, News(now_t, f"kill hit {hit}"))):
        assert len(said.splitlines()) == 1
        assert "\x1b" not in said


@given(st.integers(0, 10**13), st.floats(0, 1e5), st.floats(0, 1e5), st.booleans())
def test_what_is_left_goes_down_to_what_follows(now_t: int, takes: float, later: float, over: bool) -> None:
    place = Place("e", "s", 1, 2, PHASES, takes, later)
    seen = at("recovery", over=over)
    left = left_s(place, seen, now_t)
    assert later <= left <= later + takes
    assert left_s(place, seen, now_t + NS) <= left
    if over:
        assert left == later


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "about 0 s"), (99, "about 99 s"), (100, "about 2 min"), (5400, "about 90 min"), (7200, "about 2.0 h")],
)
def test_times_for_people(seconds: float, said: str) -> None:
    assert about(seconds) == said

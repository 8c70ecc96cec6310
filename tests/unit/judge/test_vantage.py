"""From several places: each judged by itself and the worst for all; what cannot be compared is no PASS."""

from __future__ import annotations

from typing import Literal

import pytest

from harness.errors import HistoryError
from harness.history import NS, Event, Record, Sample
from harness.judge import vantage
from harness.outcome import Outcome, Verdict
from tests.unit.builders import at, changed, healthy, meta, named, sample, verdict, whole, without

POINTS = ("point-0", "point-1", "point-2")
CONNS = ("new", "reused")
STEP = 0.5
MS = NS // 1000
READ = "availability.read.outage"
CONNECTIONS: tuple[tuple[Literal["new", "reused"], float], ...] = (("new", 0.0), ("reused", 0.1))


def seen(name: str) -> list[Record]:
    """All that a point records of a good run, and what it says in the end."""
    each = [sample(i * STEP + shift, "ok", "version", conn) for conn, shift in CONNECTIONS for i in range(110)]
    kept = [one.model_copy(update={"vantage": name}) for one in each]
    said = {"vantage": name, "node": f"node-of-{name}", "due": len(kept), "recorded": len(kept)}
    clock = {"offset_ns": 7 * NS, "error_ns": MS, "readings": 9}
    begun = Event(t=0, source="probe", object="prober", what="started", value={"vantage": name})
    return [*kept, begun, Event(t=at(55.6), source="probe", object="prober", what="stopped", value={**said, **clock})]


def good() -> list[Record]:
    said = meta()
    table = {"points": list(POINTS), "targets": {"version": {"rate_hz": 1 / STEP, "conn": list(CONNS)}}}
    first = said.model_copy(update={"probe": {**said.probe, "vantage": table}})
    rest = [*healthy()[1:], *(record for name in POINTS for record in seen(name))]
    return [first, *sorted(rest, key=lambda record: record.t)]


def silent(records: list[Record], since: float, until: float, *names: str) -> list[Record]:
    return changed(
        records,
        Sample,
        lambda s: s.vantage in names and at(since) <= s.due < at(until),
        lambda _: {"outcome": "fail", "status": 503},
    )


def told(outcome: Outcome) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in outcome.checks if check.name.startswith("vantage.")}


def test_a_run_without_any_has_no_word_of_them() -> None:
    outcome = verdict(healthy())
    assert outcome.verdict is Verdict.PASS
    assert not told(outcome)
    assert vantage.NAME not in {check.name for check in outcome.checks}


def test_each_point_is_judged_and_all_together() -> None:
    outcome = verdict(good())
    assert outcome.verdict is Verdict.PASS, [c for c in outcome.checks if c.verdict is not Verdict.PASS]
    found = told(outcome)
    assert set(found.values()) == {Verdict.PASS}
    assert {f"vantage.{name}.outage" for name in POINTS} <= found.keys()
    assert named(outcome, "vantage.together").because == "None of 3 vantage points saw an outage."
    evidence = named(outcome, vantage.NAME)
    assert "point-1 on node-of-point-1: 0 ms late, clock within 1 ms" in evidence.because


def test_a_place_that_is_not_served_is_not_made_good_by_another() -> None:
    outcome = verdict(silent(good(), 25, 30, "point-1"))
    found = told(outcome)
    assert found["vantage.point-1.outage"] is Verdict.FAIL
    assert found["vantage.point-0.outage"] is found["vantage.point-2.outage"] is Verdict.PASS
    check = named(outcome, READ)
    assert check.verdict is Verdict.FAIL
    assert "connections from point-1 did not answer for 5 s" in check.because
    assert "within it, 1 of 3 vantage points had no answer (point-1)" in named(outcome, "vantage.together").because


def test_what_all_see_is_told_from_what_one_sees() -> None:
    outcome = verdict(silent(silent(good(), 25, 26, "point-0", "point-2"), 25, 26.5, "point-1"))
    assert "within it, 3 of 3 vantage points had no answer" in named(outcome, "vantage.together").because


def test_an_outage_of_one_place_is_as_long_as_it_was_there() -> None:
    """Requests of others in between do not cut it short."""
    assert named(verdict(silent(good(), 25, 29, "point-1")), READ).measure == 4.0


@pytest.mark.parametrize("name", POINTS)
def test_a_point_that_is_lost_makes_the_run_invalid(name: str) -> None:
    gone = without(good(), Sample, lambda s: s.vantage == name)
    gone = without(gone, Event, lambda e: e.value.get("vantage") == name)
    outcome = verdict(gone)
    assert outcome.verdict is Verdict.INVALID
    assert f"{name} never said what it recorded" in named(outcome, vantage.NAME).because
    assert named(outcome, "vantage.together").because == f"Nothing is known of what was seen from {name}."


def test_a_series_that_one_of_them_never_sampled_is_missed() -> None:
    fewer = without(good(), Sample, lambda s: s.vantage == "point-2" and s.conn == "reused")
    assert (
        "version over reused connections from point-2 was to be sampled"
        in named(verdict(fewer), "evidence.schedule").because
    )


def test_seldomer_than_it_was_to_be_is_noticed_of_each() -> None:
    fewer = without(good(), Sample, lambda s: s.vantage == "point-2" and s.due % at(1) >= at(STEP))
    assert "from point-2 was sampled every 1 s, less often" in named(verdict(fewer), "evidence.schedule").because


def test_a_clock_that_is_not_known_well_enough_is_no_pass() -> None:
    vague = changed(
        good(),
        Event,
        lambda e: e.what == "stopped" and e.value.get("vantage") == "point-1",
        lambda e: {"value": {**e.value, "error_ns": round(STEP * NS) + 1}},
    )
    outcome = verdict(vague)
    assert named(outcome, vantage.NAME).verdict is Verdict.INVALID
    assert "the clock of point-1 is known within 500" in named(outcome, vantage.NAME).because
    assert outcome.verdict is Verdict.INVALID


def test_samples_of_nobody_are_noticed() -> None:
    stray = sample(3.05).model_copy(update={"vantage": "point-9"})
    assert "point-9 was not to be one" in named(verdict([*good(), stray]), vantage.NAME).because


def test_samples_that_are_missing_are_counted() -> None:
    fewer = without(good(), Sample, lambda s: s.vantage == "point-0" and s.due == at(30))
    assert named(verdict(fewer), "evidence.schedule").verdict is Verdict.INVALID


def test_of_many_the_worst_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vantage, "MOST", 1)
    found = told(verdict(silent(good(), 25, 30, "point-2")))
    assert {name.split(".")[1] for name in found} == {"together", "point-2"}


def test_what_meta_says_of_them_must_be_readable() -> None:
    said = meta()
    broken = said.model_copy(update={"probe": {**said.probe, "vantage": 3}})
    with pytest.raises(HistoryError, match=r"meta\.probe\.vantage"):
        vantage.wanted(whole([broken, *healthy()[1:]]))

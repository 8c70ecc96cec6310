"""A run that the guard or the brake ended is INVALID, and says who ended it and why."""

from __future__ import annotations

import pytest

from harness.history import Event, Mark, Record
from harness.outcome import Verdict
from tests.unit.builders import FAULT, at, healthy, named, verdict, without

WHY = "33 of 40 requests of the last 20 s failed"


def ended(who: str = "brake", **value: str) -> list[Record]:
    event = Event(t=at(FAULT + 5), source="probe", object=who, what="aborted", value=dict(value))
    return [*healthy()[:-1], event, healthy()[-1]]


def test_who_ended_it_and_why_stands_in_the_verdict() -> None:
    outcome = verdict(ended(because=WHY))
    assert outcome.verdict is Verdict.INVALID
    said = named(outcome, "evidence.complete")
    assert said.because == f"The run did not come to its end: the brake ended the run: {WHY}."


def test_without_a_reason_it_is_invalid_all_the_same() -> None:
    outcome = verdict(ended("guard"))
    assert outcome.verdict is Verdict.INVALID
    assert "the guard ended the run: it does not say why" in named(outcome, "evidence.complete").because


def test_a_promise_that_seems_broken_is_in_doubt_and_keeps_its_measure() -> None:
    broken = without(healthy(), Mark)
    failed = {c.name for c in verdict(broken).checks if c.verdict is Verdict.FAIL}
    assert failed
    outcome = verdict(without(ended(because=WHY), Mark))
    assert outcome.verdict is Verdict.INVALID
    for name in failed:
        check = named(outcome, name)
        assert check.verdict is Verdict.INVALID
        assert check.measure == named(verdict(broken), name).measure
        assert check.because.endswith("This is in doubt, since the run was ended before its time.")


@pytest.mark.parametrize("what", ["stopped", "started", "error"])
def test_other_words_of_an_observer_end_nothing(what: str) -> None:
    records = [
        e.model_copy(update={"what": what}) if isinstance(e, Event) and e.what == "aborted" else e for e in ended()
    ]
    assert "ended the run" not in named(verdict(records), "evidence.complete").because

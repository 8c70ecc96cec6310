"""What was asked for must have been measured, by half at least; whatever is unknown proves nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.happened import doubts
from tests.unit.builders import mark, whole
from tests.unit.judge.test_proofs import SCHEDULER, WORKER, step

AT_WORK = mark(9, "start", host="worker-1")


def doubted(action: str, said: dict[str, Any], target: dict[str, Any] = WORKER) -> tuple[str, ...]:
    steps = [step(10, action, "injected", target, by="x"), step(11, action, "proved", target, **said)]
    return doubts(whole([AT_WORK, *steps]))


def test_a_delay_is_believed_on_every_way_or_not_at_all() -> None:
    assert doubted("delay", {"asked_ms": 100, "connect_ms": [[1.5, 51.5], [2, 300]]}) == ()
    assert doubted("delay", {"asked_ms": 100, "connect_ms": [[2, 300], [1, 50]]}) == (
        "airflow/worker-1 took 1 ms to connect and then 50 ms, of 100 ms asked for",
    )


@pytest.mark.parametrize(
    "said",
    [{}, {"asked_ms": 100}, {"asked_ms": 100, "connect_ms": []}, {"asked_ms": 0, "connect_ms": [[1, 1]]}]
    + [{"asked_ms": 100, "connect_ms": [pair]} for pair in ([1, None], [None, 500], [1], ["1", 500], [True, 500], 500)],
)
def test_a_delay_that_was_not_measured_is_not_believed(said: dict[str, Any]) -> None:
    (why,) = doubted("delay", said)
    assert "to connect" in why


@pytest.mark.parametrize("missing", ["asked", "before", "during"])
def test_stress_that_was_not_counted_is_not_believed(missing: str) -> None:
    said: dict[str, Any] = {"asked": 2.0, "before": 0.5, "during": 1.5, "of": "processors"}
    assert doubted("stress", said) == ()
    for value in (None, "2", -1, True):
        assert doubted("stress", {**said, missing: value}) == (
            "nobody counted what airflow/worker-1 used before and during its stress",
        )


@given(st.floats(0.1, 64), st.floats(0, 64), st.floats(0, 128))
def test_half_of_what_was_asked_for_has_come_on_top(asked: float, before: float, during: float) -> None:
    said = {"asked": asked, "before": before, "during": during, "of": "processors"}
    assert (doubted("stress", said) == ()) == (during - before >= asked / 2)


def test_who_is_slow_or_busy_still_sends_heartbeats() -> None:
    for action, said in (
        ("delay", {"asked_ms": 100, "connect_ms": [[1, 200]]}),
        ("stress", {"asked": 1, "before": 0, "during": 1}),
    ):
        assert doubted(action, said, SCHEDULER) == ()

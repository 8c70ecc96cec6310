"""The brake: it pulls once, with the first reason, and never once it is released."""

from __future__ import annotations

import threading

import pytest

from harness.observe import brake
from harness.observe.brake import Brake

Pulled = tuple[list[str], threading.Event]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brake, "EVERY_S", 0.01)


@pytest.fixture
def pulled() -> Pulled:
    return [], threading.Event()


def wait_for(event: threading.Event) -> None:
    assert event.wait(20)


def braking(pulled: Pulled, *gauges: brake.Gauge) -> Brake:
    reasons, told = pulled

    def pull(because: str) -> None:
        reasons.append(because)
        told.set()

    made = Brake(gauges, pull)
    made.start()
    return made


def test_the_first_reason_pulls_it_and_it_pulls_once(pulled: Pulled) -> None:
    turns = iter([None, None, "too much"])
    made = braking(pulled, lambda: next(turns, "still too much"), lambda: "never asked" if not turns else None)
    wait_for(pulled[1])
    made._thread.join(20)
    assert not made._thread.is_alive()
    assert pulled[0] == ["too much"]


def test_a_gauge_that_fails_pulls_it(pulled: Pulled) -> None:
    def broken() -> str | None:
        raise OSError("no such history")

    braking(pulled, broken)
    wait_for(pulled[1])
    assert pulled[0] == ["it cannot see any more: OSError: no such history"]


def test_once_released_it_never_pulls(pulled: Pulled) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow() -> str | None:
        asked.set()
        wait_for(answer)
        return "too late"

    made = braking(pulled, slow)
    wait_for(asked)
    made.release()
    made.release()
    answer.set()
    made._thread.join(20)
    assert not made._thread.is_alive()
    assert pulled[0] == []


def test_one_that_was_never_started_can_be_released() -> None:
    Brake([lambda: "no"], pytest.fail).release()

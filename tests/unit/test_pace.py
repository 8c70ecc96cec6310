"""A fixed piece of work takes processor time, and more of it takes more."""

from __future__ import annotations

import pytest

from harness import pace


def test_ten_times_the_work_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    once = pace.work_ms()
    assert once > 0
    monkeypatch.setattr(pace, "OBJECTS", 10 * pace.OBJECTS)
    assert pace.work_ms() > once


def test_the_middle_piece_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([5_000_000, 2_000_000, 90_000_000])
    monkeypatch.setattr(pace, "_piece", lambda: next(times))
    assert pace.work_ms() == 5.0


@pytest.mark.parametrize(("times", "too"), [(1.0, False), (pace.SLOWEST, False), (2.0, True)])
def test_the_middle_reading_decides_whether_it_is_too_slow(
    monkeypatch: pytest.MonkeyPatch, times: float, too: bool
) -> None:
    readings = iter([0.1, times * pace.USUAL_MS, 1000.0])
    monkeypatch.setattr(pace, "work_ms", lambda: next(readings))
    monkeypatch.setattr(pace, "EVERY_S", 0.0)
    said = pace.too_slow(3)
    assert said == ("the processors took 2.0 times as long as usual for the same work" if too else None)

"""What must hold of every history: outages as long as they were, no pass by accident, no traceback."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.history import NS, End, History, Record, Recorder, Sample
from harness.judge.intervals import outages
from harness.judge.verdict import judge
from harness.outcome import Verdict
from tests.unit.builders import END, FAULT, LIMITS, at, column, healthy, meta, named, sample, whole, without

MS = NS // 1000
LIMIT_S = LIMITS["availability.read.outage"][0]
SINCE, UNTIL = FAULT + 0.5, 48.0
rates = st.sampled_from([1.0, 2.0, 5.0, 20.0])
latencies = st.integers(1, 900).map(lambda ms: ms / 1000)


@st.composite
def traces(draw: st.DrawFn) -> tuple[float, list[tuple[float, float]]]:
    """The interval of a series, and when its target is down, each time apart from the next by three intervals."""
    step = 1 / draw(rates)
    down: list[tuple[float, float]] = []
    since = SINCE
    while since < UNTIL and len(down) < 4:
        begin = since + draw(st.floats(0, 8))
        end = begin + draw(st.floats(step / 10, 6))
        if end > UNTIL:
            break
        down.append((begin, end))
        since = end + 3 * step
    return step, down


def probed(step: float, down: list[tuple[float, float]], took: float) -> list[Sample]:
    """What an open-loop prober records: a request is answered as its target is when it is due."""
    dues = [i * step for i in range(int(55 / step))]
    return [
        sample(due, "fail" if any(a <= due < b for a, b in down) else "ok", took=took, conn="reused") for due in dues
    ]


def records(step: float, down: list[tuple[float, float]], took: float) -> list[Record]:
    others = without(healthy(), Sample, lambda s: s.target == "version" and s.conn == "reused")
    # The prober's own count is that of the run it comes from.
    others = [r for r in others if getattr(r, "object", "") != "prober"]
    slo = {n: {"limit": v, "unit": u, "origin": "test"} for n, (v, u) in LIMITS.items()}
    slo["availability.read.errors"]["limit"] = 100
    return [meta(slo), *sorted([*others[1:], *probed(step, down, took)], key=lambda r: r.t)]


@given(traces(), latencies)
def test_every_window_is_that_of_an_outage_to_one_interval(
    trace: tuple[float, list[tuple[float, float]]], took: float
) -> None:
    step, down = trace
    found = outages(column(probed(step, down, took)))
    long_enough = [(a, b) for a, b in down if b - a >= step]
    assert len(long_enough) <= len(found) <= len(down)
    for outage in found:
        begin, end = min(down, key=lambda d: abs(at(d[0]) - outage.start))
        assert -1 <= outage.start - at(begin) < at(step) + 1
        assert -1 <= outage.end - at(end) < at(step) + 1
        assert abs((outage.end - outage.start) - at(end - begin)) < at(step) + 1


@settings(max_examples=60, deadline=None)
@given(traces(), latencies)
def test_beyond_its_error_an_outage_is_judged_as_it_was(
    trace: tuple[float, list[tuple[float, float]]], took: float
) -> None:
    step, down = trace
    check = named(judge(whole(records(step, down, took))), "availability.read.outage")
    longest = max((b - a for a, b in down), default=0.0)
    if longest > LIMIT_S + step:
        assert check.verdict is Verdict.FAIL
    if longest <= LIMIT_S - step:
        assert check.verdict is not Verdict.FAIL


def stored(folder: Path) -> bytes:
    recorder = Recorder.create(folder / "history.jsonl")
    recorder.write(*healthy(), End(t=at(END), complete=True))
    recorder.close()
    return recorder.path.read_bytes()


@pytest.fixture(scope="module")
def good() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return stored(Path(folder))


def judged(data: bytes) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        path.write_bytes(data)
        return judge(History.read(path)).verdict


def test_a_good_history_passes(good: bytes) -> None:
    assert judged(good) is Verdict.PASS


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_no_prefix_of_it_passes(good: bytes, share: float) -> None:
    cut = good[: int(share * (len(good) - 2))]
    assert judged(cut) is not Verdict.PASS


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_order_of_lines_changes_no_verdict(good: bytes, seed: int) -> None:
    lines = good.splitlines(keepends=True)
    middle = lines[1:-1]
    order = random.Random(seed)  # noqa: S311
    order.shuffle(middle)
    assert judged(b"".join([lines[0], *middle, lines[-1]])) in (Verdict.PASS, Verdict.INVALID)
    order.shuffle(lines)
    assert judged(b"".join(lines)) in (Verdict.PASS, Verdict.INVALID)


@settings(max_examples=100, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), junk=st.binary(max_size=40), drop=st.integers(0, 300))
def test_a_damaged_history_is_never_a_traceback(good: bytes, place: float, junk: bytes, drop: int) -> None:
    at_byte = int(place * len(good))
    judged(good[:at_byte] + junk + good[at_byte + drop :])

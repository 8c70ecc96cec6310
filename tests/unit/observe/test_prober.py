"""The prober against a server whose outages are known: what was recorded must show them where they were."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from harness.history import NS, History, Recorder, Sample
from harness.judge.intervals import gaps, interval, outages
from harness.observe.prober import Conn, Prober, Summary, Target
from harness.wait import until
from tests.unit.builders import column
from tests.unit.observe.stub import Mode, Stub, stub

RATE_HZ = 10.0
EVERY = round(NS / RATE_HZ)
TIMEOUT_S = 1.5
SLACK = NS // 2  # for a request that was under way at the edge, on a busy machine
CONNS: tuple[Conn, ...] = ("new", "reused")
OUTCOMES: dict[Mode, str] = {"503": "fail", "reset": "fail", "truncated": "fail", "wrong": "fail", "hang": "info"}
STATUS = {"503": 503, "wrong": 200, "truncated": 200}
ERRORS = {
    "503": "answered 503, expected 200",
    "reset": "ConnectionResetError",
    "truncated": "closed before the answer was whole",
    "wrong": "does not contain 'version'",
    "hang": "no whole answer within 1.5 s",
}


@dataclass(frozen=True)
class Window:
    """A known outage: it began between the first two times and ended between the last two (ns of the history)."""

    begin: tuple[int, int]
    end: tuple[int, int]


@dataclass(frozen=True)
class Recorded:
    """One closed recording of known outages."""

    history: History
    summary: Summary
    window: Window
    stub: Stub

    def series(self, target: str, conn: str) -> list[Sample]:
        return [s for s in self.history.samples if (s.target, s.conn) == (target, conn)]


def targets(*names: str) -> list[Target]:
    return [Target(name, f"/{name}", conn, RATE_HZ, must_contain="version") for name in names for conn in CONNS]


def record(path: Path, server: Stub, names: tuple[str, ...], *, down: bool = False) -> Recorded:
    """Half a second well, one second of outage, and well again: each path fails as it is called, or all is `down`."""
    recorder = Recorder.create(path)
    prober = Prober(path, recorder.t0, server.url, targets(*names), timeout_s=TIMEOUT_S)
    prober.start()
    until(lambda: len(server.asked), lambda n: n >= 5 * len(names) * 2, what="half a second", timeout=30, every=0.05)
    first = recorder.now()
    server.down() if down else server.turn({f"/{kind}": kind for kind in OUTCOMES})
    broken = recorder.now()
    time.sleep(1)
    mended = recorder.now()
    server.up() if down else server.turn({f"/{kind}": "ok" for kind in OUTCOMES})
    last = recorder.now()
    asked = len(server.asked)
    until(lambda: len(server.asked), lambda n: n >= asked + 5 * len(names) * 2, what="more", timeout=30, every=0.05)
    summary = prober.stop()
    recorder.close()
    return Recorded(History.read(path), summary, Window((first, broken), (mended, last)), server)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """One recording: each kind of failure on a path of its own, all in the same window, and one path that is well."""
    with stub() as server:
        yield record(tmp_path_factory.mktemp("mixed") / "history.jsonl", server, (*OUTCOMES, "well"))


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """One recording in which the server was gone for a while."""
    with stub() as server:
        yield record(tmp_path_factory.mktemp("dead") / "history.jsonl", server, ("well",), down=True)


def assert_shows(samples: list[Sample], window: Window) -> None:
    """One unbroken outage, whose edges lie within one probe interval of the true ones."""
    bad = [s for s in samples if s.outcome != "ok"]
    assert bad, "the outage was not seen"
    first, last = bad[0], bad[-1]
    assert [s for s in samples if first.due <= s.due <= last.due] == bad
    after = next(s for s in samples if s.due > last.due)
    assert first.end >= window.begin[0], "bad before it began"
    assert first.due <= window.begin[1] + EVERY, "its begin was missed"
    assert after.end >= window.end[0], "good before it ended"
    assert after.due <= window.end[1] + EVERY, "its end was missed"


@pytest.mark.parametrize("conn", CONNS)
@pytest.mark.parametrize("kind", OUTCOMES)
def test_an_outage_is_recorded_where_it_was(mixed: Recorded, kind: Mode, conn: Conn) -> None:
    assert_shows(mixed.series(kind, conn), mixed.window)


def assert_measures(samples: list[Sample], window: Window) -> None:
    """What the judge makes of a series: one outage, begun, ended and as long as the true one, to one interval."""
    (outage,) = outages(column(samples))
    assert not outage.open
    assert window.begin[0] - SLACK <= outage.start <= window.begin[1] + EVERY
    assert window.end[0] - SLACK <= outage.end <= window.end[1] + EVERY
    assert window.end[0] - window.begin[1] - EVERY - SLACK <= outage.end - outage.start
    assert interval(column(samples)) == EVERY
    assert gaps(column(samples), EVERY) == ()


@pytest.mark.parametrize("conn", CONNS)
@pytest.mark.parametrize("kind", OUTCOMES)
def test_the_judge_measures_an_outage_as_it_was(mixed: Recorded, kind: Mode, conn: Conn) -> None:
    assert_measures(mixed.series(kind, conn), mixed.window)


@pytest.mark.parametrize("conn", CONNS)
def test_the_judge_measures_the_absence_of_a_server_as_it_was(dead: Recorded, conn: Conn) -> None:
    assert_measures(dead.series("well", conn), dead.window)


@pytest.mark.parametrize("conn", CONNS)
@pytest.mark.parametrize("kind", OUTCOMES)
def test_each_way_to_fail_is_told_apart(mixed: Recorded, kind: Mode, conn: Conn) -> None:
    bad = [s for s in mixed.series(kind, conn) if s.outcome != "ok"]
    assert {s.outcome for s in bad} == {OUTCOMES[kind]}
    assert all(ERRORS[kind] in (s.error or "") for s in bad)
    assert {s.status for s in bad} == {STATUS.get(kind)}


@pytest.mark.parametrize("conn", CONNS)
def test_a_dead_server_is_recorded_where_it_was(dead: Recorded, conn: Conn) -> None:
    samples = dead.series("well", conn)
    assert_shows(samples, dead.window)
    assert {s.outcome for s in samples} == {"ok", "fail"}
    assert any("ConnectionRefusedError" in (s.error or "") for s in samples)


def test_a_series_that_is_well_stays_well_beside_those_that_fail(mixed: Recorded) -> None:
    samples = [s for s in mixed.history.samples if s.target == "well"]
    assert samples
    assert [s for s in samples if s.outcome != "ok"] == []


def test_a_hung_request_does_not_delay_the_next(mixed: Recorded) -> None:
    for conn in CONNS:
        hung = [s for s in mixed.series("hang", conn) if s.outcome == "info"]
        assert len(hung) >= 5
        # Were they one after another, each would start after the end of the one before.
        assert all(later.t < earlier.end for earlier, later in pairwise(hung))


def test_every_tick_of_every_series_is_recorded_once(mixed: Recorded, dead: Recorded) -> None:
    for recorded in (mixed, dead):
        for target in {s.target for s in recorded.history.samples}:
            for conn in CONNS:
                dues = [s.due for s in recorded.series(target, conn)]
                assert dues == [dues[0] + n * EVERY for n in range(len(dues))]


def test_the_count_is_that_of_the_samples(mixed: Recorded, dead: Recorded) -> None:
    for recorded in (mixed, dead):
        count = len(recorded.history.samples)
        assert recorded.summary == Summary(count, count)
        told = [e.value for e in recorded.history.events if e.what == "stopped"]
        assert told == [{"due": count, "recorded": count}]


def test_no_request_starts_before_it_is_due_or_ends_before_it_starts(mixed: Recorded) -> None:
    assert all(s.due <= s.t <= s.end for s in mixed.history.samples)


def test_every_sample_is_one_request(mixed: Recorded) -> None:
    """Nothing is asked twice. A request that finds its kept connection closed is not sent at all."""
    for kind in (*OUTCOMES, "well"):
        samples = [s for s in mixed.history.samples if s.target == kind]
        unsent = [s for s in samples if "closed while it was idle" in (s.error or "")]
        assert len(mixed.stub.asked_for(f"/{kind}")) == len(samples) - len(unsent)


def test_ticks_of_different_series_do_not_coincide(mixed: Recorded) -> None:
    dues = [s.due for s in mixed.history.samples]
    assert len(set(dues)) == len(dues)

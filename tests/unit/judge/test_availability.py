"""Every series by itself, from the fault on; the worst speaks for all."""

from __future__ import annotations

import pytest

from harness.history import NS, Fault, Phase, Record, Sample
from harness.judge import availability
from harness.outcome import Verdict
from harness.slo import Bound
from tests.unit.builders import LIMITS, Conn, at, bad, changed, healthy, meta, named, sample, verdict, whole, without

READ = "availability.read.outage"
BOUNDS = {n: Bound(n, v, u, "test") for n, (v, u) in LIMITS.items()}
CONNS: tuple[Conn, Conn] = ("new", "reused")


def judged(records: list[Record], name: str = READ) -> Verdict:
    return named(verdict(records), name).verdict


def test_an_outage_as_long_as_the_limit_passes_and_a_longer_one_fails() -> None:
    assert judged(bad(healthy(), 25, 27)) is Verdict.PASS
    check = named(verdict(bad(healthy(), 25, 27.5)), READ)
    assert check.verdict is Verdict.FAIL
    assert check.measure == 2.5
    assert check.because.startswith(
        "version over new connections did not answer for 2.5 s (5 requests), from 4.5 s after the fault (25.0 s into"
    )
    assert [(w.start, w.end) for w in check.windows] == [(at(25), at(27.5))]


@pytest.mark.parametrize(("target", "conn"), [("version", "new"), ("version", "reused"), ("dags", "new")])
def test_the_worst_series_decides_whichever_it_is(target: str, conn: str) -> None:
    check = named(verdict(bad(healthy(), 30, 35, target, conn)), READ)
    assert check.verdict is Verdict.FAIL
    assert f"{target} over {conn} connections" in check.because


def test_outages_of_different_series_are_not_added_up() -> None:
    records = bad(bad(healthy(), 25, 26.5), 26.5, 28, "dags")
    assert named(verdict(records), READ).measure == 1.5


def test_writes_are_judged_apart_from_reads() -> None:
    outcome = verdict(bad(healthy(), 25, 31, "trigger"))
    assert named(outcome, "availability.write.outage").verdict is Verdict.FAIL
    assert named(outcome, READ).verdict is Verdict.PASS


def test_a_timeout_is_not_an_answer() -> None:
    records = changed(
        bad(healthy(), 25, 28), Sample, lambda s: s.outcome == "fail", lambda _: {"outcome": "info", "status": None}
    )
    assert judged(records) is Verdict.FAIL


def test_an_outage_before_the_fault_is_not_held_against_it() -> None:
    outcome = verdict(bad(healthy(), 5, 10))
    assert named(outcome, READ).verdict is Verdict.PASS
    assert outcome.verdict is Verdict.INVALID


def test_what_ended_in_the_moment_where_judging_begins_belongs_to_the_baseline_alone() -> None:
    samples = [meta(), sample(19, took=0.5), sample(19.5, "fail", took=0.5), sample(20, took=0.5)]
    bounds = {READ: BOUNDS[READ], "availability.read.errors": BOUNDS["availability.read.errors"]}
    before = availability.between(whole(samples), bounds, at(10), at(20))
    after = availability.between(whole(samples), bounds, at(20), availability.NEVER)
    assert [check.measure for check in before] == [0, 50]
    assert [check.measure for check in after] == [0, 0]


def test_where_it_is_not_known_from_when_on_to_judge_nothing_is() -> None:
    outcome = verdict(without(without(healthy(), Phase), Fault))
    assert {c.verdict for c in outcome.checks if c.name.startswith("availability.")} == {Verdict.INVALID}
    assert named(outcome, "evidence.samples").verdict is Verdict.INVALID


def test_an_outage_that_never_ended_is_unknown_while_short_and_a_failure_when_long() -> None:
    short = named(verdict(bad(healthy(), 54, 60)), READ)
    assert short.verdict is Verdict.INVALID
    assert "at least" in short.because
    assert judged(bad(healthy(), 51, 60)) is Verdict.FAIL


def test_errors_are_a_share_of_the_worst_series() -> None:
    name = "availability.read.errors"
    records = healthy()
    for second in (25, 30, 35, 40):
        records = bad(records, second, second + 1.5)
    check = named(verdict(records), name)
    assert check.verdict is Verdict.FAIL
    assert check.measure == pytest.approx(100 * 12 / 70)
    assert named(verdict(records), READ).verdict is Verdict.PASS


def test_a_series_that_falls_silent_at_the_fault_is_invalid() -> None:
    silent = without(healthy(), Sample, lambda s: s.target == "dags" and s.due >= at(20))
    assert judged(silent) is Verdict.INVALID


def test_no_reads_at_all_is_invalid() -> None:
    assert judged(without(healthy(), Sample, lambda s: s.method == "GET")) is Verdict.INVALID


def test_write_bounds_without_writes_are_invalid() -> None:
    assert (
        judged(without(healthy(), Sample, lambda s: s.method == "POST"), "availability.write.outage") is Verdict.INVALID
    )


def test_writes_without_bounds_are_invalid() -> None:
    slo = {n: b.to_json() for n, b in BOUNDS.items() if not n.startswith("availability.write")}
    outcome = verdict([meta(slo), *healthy()[1:]])
    assert named(outcome, "availability.write.outage").verdict is Verdict.INVALID
    assert named(outcome, "availability.write.errors").verdict is Verdict.INVALID


def test_without_writes_and_their_bounds_nothing_is_said_of_them() -> None:
    slo = {n: b.to_json() for n, b in BOUNDS.items() if not n.startswith("availability.write")}
    records = without([meta(slo), *healthy()[1:]], Sample, lambda s: s.method == "POST")
    names = {c.name for c in availability.check(whole(records), {n: b for n, b in BOUNDS.items() if n in slo})}
    assert names == {READ, "availability.read.errors", "availability.read.latency"}


def test_heads_are_reads_and_deletes_are_writes() -> None:
    records = [*healthy(), *(sample(20 + i, target="odd", method="delete") for i in range(9))]
    check = named(
        verdict(changed(records, Sample, lambda s: s.target == "odd", lambda _: {"outcome": "fail"})),
        "availability.write.outage",
    )
    assert check.verdict is Verdict.FAIL
    assert check.measure == 8.0
    heads = changed(bad(healthy(), 25, 30), Sample, lambda s: s.target == "version", lambda _: {"method": "HEAD"})
    assert judged(heads) is Verdict.FAIL


def test_a_verdict_holds_the_longest_windows_when_there_are_many() -> None:
    flapping = [sample(20 + i * 0.1, "fail" if i % 2 else "ok", conn=c) for i in range(400) for c in CONNS]
    records = [*without(healthy(), Sample, lambda s: s.target == "version"), *flapping]
    check = named(verdict(bad(records, 50, 51)), READ)
    assert len(check.windows) == 100
    assert max(w.end - w.start for w in check.windows) >= 1.0 * NS
    assert list(check.windows) == sorted(check.windows, key=lambda w: w.start)

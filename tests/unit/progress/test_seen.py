"""What is seen of a growing history is what stands in it, however it comes in."""

from __future__ import annotations

import gzip
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.history import NS, End, Event, Fault, History, Record, Sample
from harness.outcome import Outcome
from harness.progress.seen import News, Seen
from harness.records import ABORTED
from harness.settings import ROOT
from tests.unit.builders import END, at, bad, crowd, healthy, meta, named, verdict

RECORDED = ROOT / "examples" / "runs" / "scheduler-kill"


def lines(records: list[Record]) -> list[bytes]:
    return [record.model_dump_json(by_alias=True).encode() for record in records]


FINAL = verdict(healthy())
GOOD = lines([*healthy(), End(t=at(END), complete=True)])


def seen(parts: list[list[bytes]]) -> tuple[Seen, list[News]]:
    one, news = Seen(), []
    for part in parts:
        news += [*one.take(part), *one.look()]
    return one, news


def test_a_recorded_run_is_told_of_as_it_was_judged() -> None:
    whole = gzip.decompress((RECORDED / "history.jsonl.gz").read_bytes()).splitlines()
    one, news = seen([whole[i : i + 40] for i in range(0, len(whole), 40)])
    judged = Outcome.load(RECORDED / "verdict.json")
    assert one.recovered == {c.name: c.measure for c in judged.checks if c.name.startswith("recovery.")}
    assert one.over
    told = [item.what for item in news]
    order = ["baseline", "fault", "recovery", "cooldown", "over"]
    assert [what for what in told if what in order] == order
    assert sum(what.startswith("kill_pods hit airflow/scheduler-") for what in told) == 2
    assert sum(what.startswith("kill_pods proved on airflow/scheduler-") for what in told) == 2
    assert sum(what.startswith("first heartbeat 9.2 s after") for what in told) == 1


@settings(max_examples=15)
@given(st.lists(st.integers(0, len(GOOD)), max_size=4))
def test_however_it_comes_in_the_same_is_seen(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(GOOD)]
    one, _ = seen([GOOD[a:b] for a, b in itertools.pairwise(edges)])
    whole, _ = seen([GOOD])
    assert (one.requests, one.bad, one.hit, one.proved) == (whole.requests, whole.bad, whole.hit, whole.proved)
    assert one.recovered == whole.recovered
    assert (one.phase, one.over, one.t) == ("", True, at(END))


@settings(max_examples=30)
@given(st.integers(0, len(GOOD)))
def test_of_what_did_not_come_yet_nothing_is_told(cut: int) -> None:
    """A phase of the recovery is told of when it came, never before, and as the judge will have it."""
    one, news = seen([GOOD[:cut]])
    assert all(item.t <= one.t for item in news)
    for name, took in one.recovered.items():
        assert took <= (named(FINAL, name).measure or 0)


@pytest.mark.parametrize("size", [1, 3])
def test_each_target_is_counted_once(size: int) -> None:
    records = crowd(size)
    one, _ = seen([lines(records), lines([record for record in records if isinstance(record, Fault)])])
    assert (len(one.hit), len(one.proved)) == (size, size)


def test_bad_requests_are_those_that_were_not_answered_well() -> None:
    records = bad(healthy(), 25, 40)
    one, _ = seen([lines(records)])
    samples = [record for record in records if isinstance(record, Sample)]
    assert (one.requests, one.bad) == (len(samples), sum(s.outcome != "ok" for s in samples))
    assert one.bad == 30


@settings(max_examples=15)
@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"[]", b'{"kind":"fault"}', b'{"t":"x"}']))))
def test_what_cannot_be_read_is_passed_over(junk: list[bytes]) -> None:
    one, _ = seen([[*junk, *GOOD[:200], *junk], GOOD[200:]])
    whole, _ = seen([GOOD])
    assert (one.requests, one.recovered, one.over) == (whole.requests, whole.recovered, True)


def test_a_bound_that_cannot_be_used_hides_no_other() -> None:
    first, *rest = healthy()
    odd = meta({**History.of([first]).meta.slo, "recovery.dag_seen": {"limit": "soon"}})  # type: ignore[union-attr]
    one, _ = seen([lines([odd, *rest])])
    assert one.recovered["recovery.first_heartbeat"] == pytest.approx(7, abs=2)
    assert one.t / NS > 0


def test_who_ended_the_run_is_told_with_the_reason() -> None:
    stopped = Event(t=at(24), source="probe", object="brake", what=ABORTED, value={"because": "too many errors"})
    _, news = seen([lines([*healthy(), stopped])])
    assert News(at(24), "ended by the brake: too many errors") in news

"""A trace is what OpenTelemetry takes, its spans lie in each other, and no text of others is handed on with it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness.history import NS, Event, Fault, History, Mark, Op, Record, Sample
from harness.judge.verdict import judge
from harness.records import ADAPTER
from harness.report import trace
from harness.report.trace import Span, exported, spanned
from harness.settings import ROOT
from tests.unit.builders import END, at, bad, crowd, healthy, mark, meta, whole

RECORDED = ROOT / "examples" / "runs" / "scheduler-kill" / "history.jsonl.gz"
SECRET = "eyJhbGciOi-not-for-others"


def of(history: History) -> dict[str, Any]:
    return exported(history, judge(history))


def spans(found: dict[str, Any]) -> list[dict[str, Any]]:
    (resource,) = found["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    every: list[dict[str, Any]] = scope["spans"]
    return every


def taken(found: dict[str, Any]) -> ExportTraceServiceRequest:
    """As a collector reads it. Only ids differ from what protobuf itself has in JSON: hexadecimal, and not base64."""
    as_protobuf = json.loads(json.dumps(found))
    for span in spans(as_protobuf):
        for name in ("traceId", "spanId", "parentSpanId"):
            span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return json_format.ParseDict(as_protobuf, ExportTraceServiceRequest())


def sound(found: dict[str, Any]) -> None:
    """One root; each other span lies in its parent; ids are given once."""
    read = list(taken(found).resource_spans[0].scope_spans[0].spans)
    known = {span.span_id: span for span in read}
    assert len(known) == len(read)
    assert {len(span.span_id) for span in read} == {8}
    assert {(span.trace_id, len(span.trace_id)) for span in read} == {(read[0].trace_id, 16)}
    assert [span.name for span in read if not span.parent_span_id] == [read[0].name]
    for span in read:
        parent = known.get(span.parent_span_id, span)
        assert parent.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= parent.end_time_unix_nano
        assert all(span.start_time_unix_nano <= e.time_unix_nano <= span.end_time_unix_nano for e in span.events)


def flat(span: Span) -> Iterator[Span]:
    yield span
    for one in span.within:
        yield from flat(one)


def test_a_recorded_run_is_a_trace() -> None:
    history = History.read(RECORDED)
    found = of(history)
    sound(found)
    names = [span["name"] for span in spans(found)]
    assert names[:5] == ["scheduler-kill on celery", "baseline", "fault", "recovery", "cooldown"]
    assert names.count("fault kill_pods") == 1
    assert "recovery.first_heartbeat" in names
    starts = sum(one.mark == "start" for one in history.marks)
    assert sum(name.startswith("task ") for name in names) == starts
    assert sum(name.startswith("DAG run ") for name in names) == len({one.dag_run for one in history.marks})
    root = spans(found)[0]
    assert root["startTimeUnixNano"].startswith("1795412639304")  # 2026-11-23T05:43:59.304Z
    assert int(root["endTimeUnixNano"]) - int(root["startTimeUnixNano"]) == history.last_t
    assert of(history) == found


def test_outages_are_spans_from_the_first_bad_request_to_the_next_good_one() -> None:
    history = whole(bad(healthy(), 25, 30))
    (outage,) = [one for one in flat(spanned(history, judge(history))) if one.name.startswith("outage of ")]
    assert (outage.start, outage.end) == (at(25), at(30))
    assert dict(outage.about) == {"target": "version", "connection": "new", "requests.bad": 10}


def test_an_attempt_that_never_ended_lasts_as_long_as_the_run() -> None:
    history = whole([*healthy(), mark(50, "start", "r42", "extra")])
    (open_,) = [one for one in flat(spanned(history, judge(history))) if one.name == "task r42/extra"]
    assert (open_.start, open_.end, dict(open_.about)["ended"]) == (at(50), at(END), False)


def test_runs_of_several_dags_with_one_id_are_several() -> None:
    marks = [mark(t, edge, "r", "load") for t, edge in ((30, "start"), (31, "end"))]  # type: ignore[arg-type]
    every = [one.model_copy(update={"dag": dag}) for one in marks for dag in ("a", "b")]
    history = whole([*healthy(), *every])
    names = [one.name for one in flat(spanned(history, judge(history))) if one.name.startswith("DAG run ")]
    assert {"DAG run a r", "DAG run b r"} <= set(names)


records = st.lists(st.sampled_from([*healthy(), *crowd(2)[1:]]), max_size=60, unique_by=id)


@settings(max_examples=40)
@given(records, st.text(max_size=20), st.text(max_size=30))
def test_whatever_a_history_holds_the_spans_lie_in_each_other(some: list[Record], name: str, wall: str) -> None:
    history = History.of([meta(run_id=name, experiment=name, wall=wall), *some])
    sound(of(history))


def hide(record: Record) -> Record:
    """The same, with a secret in every text that others say."""
    match record:
        case Sample():
            return record.model_copy(update={"error": SECRET, "path": f"/{SECRET}"})
        case Fault():
            return record.model_copy(update={"evidence": {**record.evidence, "said": SECRET}})
        case Op() if "state" not in record.value:
            return record.model_copy(update={"value": {**record.value, "error": SECRET, "url": SECRET}})
        case Event():
            return record.model_copy(update={"value": {**record.value, "message": SECRET}})
        case Mark():
            return record.model_copy(update={"ti": SECRET})
    return record


def test_no_text_of_others_is_handed_on() -> None:
    probe = {"base_url": f"http://{SECRET}", "targets": {}, "token": SECRET}
    history = whole([meta(probe=probe), *map(hide, bad(healthy(), 25, 40)[1:])])
    assert SECRET not in json.dumps(of(history))


def test_it_is_written_as_it_is(tmp_path: Path) -> None:
    history = whole(healthy())
    trace.write(history, judge(history), tmp_path / "trace.json")
    assert json.loads((tmp_path / "trace.json").read_text(encoding="utf-8")) == of(history)


@pytest.mark.parametrize("lines", [0, 1, 20])
def test_a_run_that_was_cut_short_is_a_trace_too(lines: int) -> None:
    cut = gzip.decompress(RECORDED.read_bytes()).splitlines()[:lines]
    found = of(History.of([ADAPTER.validate_json(line) for line in cut]))
    sound(found)
    assert int(spans(found)[0]["endTimeUnixNano"]) < 1795412639304 * 10**6 + NS * 10

"""What is written is what is read, and what cannot be read is never skipped."""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.history import End, Event, Fault, History, Mark, Meta, Op, Phase, Record, Recorder, Sample, wall_now
from harness.records import Schedule
from tests.unit.builders import at, mark, meta, sample

TIMES = st.integers(0, 10**15)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TABLE = st.dictionaries(TEXT, JSON, max_size=4)
RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(
        Sample,
        t=TIMES,
        target=TEXT,
        conn=st.sampled_from(["new", "reused"]),
        method=TEXT,
        path=TEXT,
        due=TIMES,
        end=TIMES,
        outcome=st.sampled_from(["ok", "fail", "info"]),
        status=st.none() | st.integers(100, 599),
        error=st.none() | TEXT,
    ),
    st.builds(Op, t=TIMES, process=TEXT, f=TEXT, type=st.sampled_from(["invoke", "ok", "fail", "info"]), value=TABLE),
    st.builds(
        Mark,
        t=TIMES,
        dag_run=TEXT,
        task=TEXT,
        map_index=st.integers(-1, 99),
        try_=st.integers(0, 99),
        mark=st.sampled_from(["start", "end"]),
        executor_host=TEXT,
        dag=TEXT,
    ),
    st.builds(
        Fault,
        t=TIMES,
        id=TEXT,
        action=TEXT,
        phase=st.sampled_from(["begin", "injected", "proved", "ended", "rolled-back"]),
        target=TABLE,
        evidence=TABLE,
    ),
    st.builds(
        Event,
        t=TIMES,
        source=st.sampled_from(["pod", "endpoint", "node", "job", "probe"]),
        object=TEXT,
        uid=st.none() | TEXT,
        what=TEXT,
        value=TABLE,
    ),
    st.builds(
        Phase,
        t=TIMES,
        name=st.sampled_from(["baseline", "fault", "recovery", "cooldown"]),
        edge=st.sampled_from(["begin", "end"]),
    ),
)
IN_A_FOLDER = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
END = End(t=at(99), complete=True)


def write(path: Path, *records: Record) -> Path:
    path.unlink(missing_ok=True)
    recorder = Recorder.create(path)
    recorder.write(*records)
    recorder.close()
    return path


@IN_A_FOLDER
@given(st.lists(RECORDS, max_size=8))
def test_what_is_written_is_read(tmp_path: Path, records: list[Record]) -> None:
    lines = [meta(), *records, END]
    assert History.read(write(tmp_path / "history.jsonl", *lines)) == History.of(lines)


@IN_A_FOLDER
@given(st.lists(RECORDS, max_size=8))
def test_no_record_is_dropped(tmp_path: Path, records: list[Record]) -> None:
    seen = History.read(write(tmp_path / "history.jsonl", meta(), *records, END))
    kinds = (seen.samples, seen.ops, seen.marks, seen.scheduled_marks, seen.faults, seen.events, seen.phases)
    assert sum(len(kind) for kind in kinds) == len(records)


def test_what_came_by_itself_is_apart_from_what_was_asked_for(tmp_path: Path) -> None:
    owed = Schedule(kind="delta", every_s=10.0, unpaused="2026-01-01T00:00:00Z", tasks=(("load", -1),))
    first = meta(schedules={"tick": owed}, pools={"narrow": 1})
    asked, scheduled = mark(1, "start"), mark(2, "start").model_copy(update={"dag": "tick"})
    seen = History.read(write(tmp_path / "history.jsonl", first, asked, scheduled, END))
    assert (seen.meta, seen.marks, seen.scheduled_marks) == (first, (asked,), (scheduled,))


def test_older_readers_see_nothing_new_where_nothing_runs_by_itself() -> None:
    assert not {"schedules", "pools"} & json.loads(meta().model_dump_json()).keys()
    assert "dag" not in json.loads(mark(1, "start").model_dump_json(by_alias=True))


def test_a_compressed_history_reads_the_same(tmp_path: Path) -> None:
    plain = write(tmp_path / "history.jsonl", meta(), sample(1), END)
    packed = tmp_path / "history.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert History.read(packed) == History.read(plain)


@pytest.mark.parametrize("kept", [0, 5, 12, 40, -1, -8, -9])
def test_a_cut_compressed_history_has_a_problem(tmp_path: Path, kept: int) -> None:
    plain = write(tmp_path / "history.jsonl", meta(), sample(1), END)
    packed = tmp_path / "history.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes())[:kept])
    assert History.read(packed).problem is not None


def test_a_compressed_history_with_a_flipped_byte_has_a_problem(tmp_path: Path) -> None:
    plain = write(tmp_path / "history.jsonl", meta(), *(sample(i) for i in range(50)), END)
    packed = tmp_path / "history.jsonl.gz"
    whole_file = bytearray(gzip.compress(plain.read_bytes(), mtime=0))
    for place in range(10, len(whole_file) - 8):
        damaged = bytearray(whole_file)
        damaged[place] ^= 0xFF
        packed.write_bytes(damaged)
        assert History.read(packed).problem is not None


def test_the_try_of_a_mark_keeps_its_name_on_disk(tmp_path: Path) -> None:
    path = write(tmp_path / "history.jsonl", mark(1, "start", try_=3))
    assert json.loads(path.read_text())["try"] == 3


def problem(tmp_path: Path, *lines: str) -> str | None:
    path = tmp_path / "history.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return History.read(path).problem


FIRST = meta().model_dump_json()
LAST = END.model_dump_json()
GOOD = sample(1).model_dump_json()


def test_a_whole_history_has_no_problem(tmp_path: Path) -> None:
    assert problem(tmp_path, FIRST, GOOD, LAST) is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([GOOD, LAST], "first line is not a meta record"),
        ([FIRST, GOOD], "cut short"),
        ([FIRST, GOOD, End(t=1, complete=False).model_dump_json()], "cut short"),
        ([FIRST, LAST, GOOD], "it goes on after an end record"),
        ([FIRST, LAST, LAST], "it goes on after an end record"),
        ([FIRST, FIRST, LAST], "it holds a second meta record"),
        ([FIRST, GOOD[:-5], LAST], "line 2 cannot be read"),
        ([FIRST, "[]", LAST], "line 2 cannot be read: Expected `object`"),
        ([FIRST, "", LAST], "line 2 cannot be read"),
        ([FIRST, GOOD.replace('"ok"', '"fine"'), LAST], "line 2 cannot be read"),
        ([FIRST, GOOD.replace('"due":1000000000', '"due":1.5'), LAST], "line 2 cannot be read"),
        ([FIRST, GOOD.replace('"due":1000000000', '"due":"1"'), LAST], "line 2 cannot be read"),
        ([FIRST, GOOD.replace('"t":1000000000', '"t":-1'), LAST], "line 2 cannot be read"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, lines: list[str], said: str) -> None:
    assert said in (problem(tmp_path, *lines) or "")


def test_a_damaged_line_ends_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text("\n".join([FIRST, GOOD, "{", GOOD, LAST]), encoding="utf-8")
    assert len(History.read(path).samples) == 1


def test_bytes_that_are_not_text_are_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(FIRST.encode() + b"\n\xff\xfe\n")
    assert "line 2 cannot be read" in (History.read(path).problem or "")


def test_unknown_kinds_and_fields_are_left_alone(tmp_path: Path) -> None:
    newer = json.dumps({**json.loads(GOOD), "colour": "blue"})
    assert problem(tmp_path, FIRST, newer, '{"kind":"weather","sun":true}', LAST) is None


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "history.jsonl", meta(format=2), END)
    with pytest.raises(HistoryError, match="history format 2"):
        History.read(path)


def test_an_empty_file_has_a_problem(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text("")
    history = History.read(tmp_path / "history.jsonl")
    assert (history.meta, history.last_t) == (None, 0)
    assert history.problem is not None


def test_records_come_in_order_of_time_and_samples_in_order_of_due() -> None:
    history = History.of([meta(), sample(3), sample(1, late=9), sample(2), mark(5, "end"), mark(4, "start"), END])
    assert [s.due for s in history.samples] == [at(1), at(2), at(3)]
    assert [m.mark for m in history.marks] == ["start", "end"]
    assert history.last_t == at(99)


def test_a_history_tells_until_its_end_whatever_claims_to_be_later() -> None:
    late = mark(99.5, "end")
    assert History.of([meta(), late, END]).last_t == at(99)
    assert History.of([meta(), late]).last_t == late.t
    assert History.of([meta(), sample(3), End(t=at(4), complete=False)]).last_t == at(4)


def test_a_history_is_never_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "run" / "history.jsonl", meta())
    with pytest.raises(FileExistsError):
        Recorder.create(path)


def test_many_writers_share_a_file_in_whole_lines(tmp_path: Path) -> None:
    first = Recorder.create(tmp_path / "history.jsonl")
    first.write(meta())
    writers = [Recorder(first.path, first.t0) for _ in range(4)]

    def work(recorder: Recorder) -> None:
        for i in range(100):
            recorder.write(sample(i), sample(i))
        recorder.close()

    threads = [threading.Thread(target=work, args=[w]) for w in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first.write(END)
    first.close()
    history = History.read(first.path)
    assert history.problem is None
    assert len(history.samples) == 800


def test_closing_twice_is_allowed_and_time_goes_on(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    before = recorder.now()
    assert 0 <= before <= recorder.now()
    recorder.close()
    recorder.close()


def test_records_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        sample(1).due = 2  # type: ignore[misc]


def test_the_time_for_people_is_rfc_3339_in_utc() -> None:
    assert wall_now().endswith("Z")
    assert wall_now()[10] == "T"
    assert Meta.model_validate_json(FIRST).wall == "2026-01-01T00:00:00.000Z"


def test_what_is_worked_out_of_a_history_is_worked_out_once_and_of_a_copy_anew() -> None:
    asked: list[History] = []

    def ops(history: History) -> int:
        asked.append(history)
        return len(history.ops)

    history = History.of([meta()])
    assert [history.once(ops), history.once(ops), replace(history).once(ops)] == [0, 0, 0]
    assert len(asked) == 2
    assert history.once(lambda h: len(h.marks)) == 0

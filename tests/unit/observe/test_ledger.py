"""Entries of the ledger's stream, read as marks, whatever becomes of the connection."""

from __future__ import annotations

import socket
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.history import History, Recorder
from harness.ledger import Ledger
from harness.observe import ledger
from harness.observe.ledger import LedgerReader, mark_of
from harness.wait import until
from tests.unit.resp import streaming

GOOD = {
    b"dag_run": b"p-0001",
    b"task": b"transform",
    b"map_index": b"1",
    b"try": b"2",
    b"mark": b"start",
    b"executor_host": b"worker-0",
    b"mark_id": b"f00",
}
names = st.text(min_size=1)


@given(names, names, st.integers(-1, 10**6), st.integers(0, 10**3), st.sampled_from(["start", "end"]), names, names)
def test_a_mark_is_read_as_it_was_written(
    run: str, task: str, map_index: int, try_: int, mark: str, host: str, mark_id: str
) -> None:
    wrote = {
        b"dag_run": run.encode(),
        b"task": task.encode(),
        b"map_index": str(map_index).encode(),
        b"try": str(try_).encode(),
        b"mark": mark.encode(),
        b"executor_host": host.encode(),
        b"mark_id": mark_id.encode(),
        b"later": b"unknown fields are ignored",
    }
    found_id, found = mark_of(wrote, 7)
    assert (found_id, found.t, found.dag_run, found.task) == (mark_id, 7, run, task)
    assert (found.map_index, found.try_, found.mark, found.executor_host) == (map_index, try_, mark, host)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_every_field_is_needed(name: bytes) -> None:
    with pytest.raises(ValueError, match=f"lacks {name.decode()}"):
        mark_of({key: value for key, value in GOOD.items() if key != name}, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"map_index", b"one"),
        (b"try", b""),
        (b"try", b"1.5"),
        (b"mark", b"middle"),
        (b"task", b"\xff"),
        (b"dag_run", b""),
        (b"mark_id", b""),
        (b"executor_host", b""),
    ],
)
def test_what_is_no_mark_is_refused(name: bytes, value: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        mark_of(GOOD | {name: value}, 0)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.binary()))
def test_any_bytes_are_a_mark_or_a_value_error(changes: dict[bytes, bytes]) -> None:
    try:
        _, mark = mark_of(GOOD | changes, 0)
    except ValueError:
        return
    assert mark.mark in ("start", "end")
    assert mark.dag_run
    assert mark.task


def read(tmp_path: Path, before: list[dict[bytes, bytes]], during: list[dict[bytes, bytes]], breaks: int) -> History:
    """What the reader records of entries written before it began and while it read, through so many broken reads."""
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with streaming() as stream:
        for fields in before:
            stream.add(fields)
        reader = LedgerReader(recorder, Ledger(stream.port), prefix="p-")
        reader.start()
        stream.break_next = breaks
        until(lambda: stream.broken, lambda n: n == breaks, what="the breaks", timeout=20, every=0.02)
        for fields in during:
            stream.add(fields)
        reader.stop()
    recorder.close()
    return History.read(recorder.path)


@pytest.mark.parametrize("breaks", [0, 2])
def test_every_mark_since_the_start_is_recorded_once_and_those_of_others_are_not(tmp_path: Path, breaks: int) -> None:
    end = GOOD | {b"mark": b"end", b"mark_id": b"f01"}
    other = GOOD | {b"dag_run": b"q-0001", b"mark_id": b"f02"}
    history = read(tmp_path, before=[GOOD | {b"mark_id": b"old"}], during=[GOOD, GOOD, other, end, GOOD], breaks=breaks)
    assert [(m.dag_run, m.task, m.map_index, m.try_, m.mark) for m in history.marks] == [
        ("p-0001", "transform", 1, 2, "start"),
        ("p-0001", "transform", 1, 2, "end"),
    ]
    stopped = history.events[-1]
    assert (stopped.object, stopped.what) == ("ledger", "stopped")
    assert stopped.value == {"marks": 2, "repeated": 2, "complete": True}
    assert [e.what for e in history.events] == ["started", *(["error", "recovered"] if breaks else []), "stopped"]


def test_those_are_at_work_on_whom_an_attempt_began_and_did_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "IN_THE_MIDST_S", (0.0, 60.0))
    ids = (str(number).encode() for number in range(99))

    def entry(host: bytes, mark: bytes, ti: bytes, **more: bytes) -> dict[bytes, bytes]:
        fields = {name.encode(): value for name, value in more.items()}
        return GOOD | {b"executor_host": host, b"mark": mark, b"ti": ti, b"mark_id": next(ids), **fields}

    recorder = Recorder.create(tmp_path / "history.jsonl")
    with streaming() as stream:
        reader = LedgerReader(recorder, Ledger(stream.port), prefix="p-")
        reader.start()
        assert reader.at_work() == {}
        stream.add(entry(b"a", b"start", b"0", dag_run=b"q-other"))
        for host, mark, ti in ((b"a", b"start", b"1"), (b"a", b"end", b"1"), (b"b", b"start", b"2")):
            stream.add(entry(host, mark, ti))
        for ti in (b"3", b"4"):
            stream.add(entry(b"b", b"start", ti))
        stream.add(entry(b"c", b"end", b"3", resumed=b"1"))  # it was deferred, and ended elsewhere
        until(lambda: recorder.path.read_bytes().count(b'"kind":"ledger"'), lambda n: n == 6, what="marks", timeout=20)
        assert reader.at_work() == {"b": {"2", "4"}}
        for other in ((60.0, 90.0), (-2.0, -1.0)):  # neither so old as that nor so young
            monkeypatch.setattr(ledger, "IN_THE_MIDST_S", other)
            assert reader.at_work() == {}
        reader.stop()
    recorder.close()


def test_a_sign_of_life_is_an_event_and_no_mark(tmp_path: Path) -> None:
    sign = GOOD | {b"mark": b"alive", b"ti": b"t-1"}
    history = read(
        tmp_path, before=[sign], during=[sign, sign | {b"dag_run": b"q-0001"}, GOOD, {b"mark": b"alive"}], breaks=0
    )
    assert [mark.mark for mark in history.marks] == ["start"]
    signs = [e for e in history.events if e.what == "alive"]
    assert [(e.source, e.object, e.value) for e in signs] == [
        ("job", "task/p-0001", {"hostname": "worker-0", "ti": "t-1"})
    ]


def test_a_success_that_is_told_is_an_event_and_counts_once_however_often_it_was_written(tmp_path: Path) -> None:
    told = {b"dag_run": b"p-0001", b"mark": b"told", b"executor_host": b"dag-processor", b"mark_id": b"1"}
    again, other = told | {b"mark_id": b"2"}, told | {b"dag_run": b"q-0001", b"mark_id": b"3"}
    history = read(tmp_path, before=[told], during=[told, told, again, other, GOOD], breaks=0)
    assert [mark.mark for mark in history.marks] == ["start"]
    news = [(e.source, e.object, e.value) for e in history.events if e.what == "told"]
    assert news == [("job", "run/p-0001", {"hostname": "dag-processor"})] * 2


def test_runs_that_nobody_asked_for_are_known_by_their_window(tmp_path: Path) -> None:
    """Their ids begin with nothing of ours; what is left of an earlier window is none of this one's."""
    mine = GOOD | {b"dag_run": b"scheduled__now", b"dag": b"d", b"window": b"p-", b"mark_id": b"1"}
    unread, old = mine | {b"window": b"", b"mark_id": b"2"}, mine | {b"window": b"o-", b"mark_id": b"3"}
    call = mine | {b"mark": b"called", b"kind": b"success", b"task": b""}
    again, late = call | {b"mark_id": b"5"}, call | {b"window": b"o-", b"mark_id": b"6"}
    history = read(tmp_path, before=[], during=[mine, unread, old, GOOD, call, call, again, late], breaks=0)
    assert [(m.dag, m.dag_run) for m in history.scheduled_marks] == [("d", "scheduled__now")] * 2
    assert [m.dag for m in history.marks] == [""]
    value = {"hostname": "worker-0", "dag": "d", "dag_run": "scheduled__now", "task": "", "kind": "success"}
    calls = [(e.source, e.object, e.value) for e in history.events if e.what == "called"]
    assert calls == [("job", "run/scheduled__now", value)] * 2
    assert history.events[-1].value == {"marks": 3, "repeated": 0, "complete": True}


def test_a_blow_is_not_aimed_at_what_nobody_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "IN_THE_MIDST_S", (0.0, 60.0))
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with streaming() as stream:
        reader = LedgerReader(recorder, Ledger(stream.port), prefix="p-")
        reader.start()
        stream.add(GOOD | {b"dag": b"d", b"window": b"p-", b"ti": b"1"})
        until(lambda: b'"kind":"ledger"' in recorder.path.read_bytes(), bool, what="a mark", timeout=20)
        assert reader.at_work() == {}
        reader.stop()
    recorder.close()


def test_an_entry_that_is_no_mark_is_told_and_those_after_it_are_read(tmp_path: Path) -> None:
    history = read(tmp_path, before=[], during=[GOOD | {b"try": b"x"}, GOOD], breaks=0)
    assert len(history.marks) == 1
    assert [e.value["of"] for e in history.events if e.what == "error"] == ["entry 1-0"]


def test_a_ledger_that_goes_away_for_good_is_not_called_complete(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with streaming() as stream:
        reader = LedgerReader(recorder, Ledger(stream.port), prefix="p-")
        reader.start()
        stream.break_next = 10**6
        reader.stop()
    recorder.close()
    assert History.read(recorder.path).events[-1].value["complete"] is False


def test_a_ledger_that_is_not_there_is_known_at_the_start(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        reader = LedgerReader(recorder, Ledger(taken.getsockname()[1]), prefix="p")
        with pytest.raises(UsageError, match="run `harness up`"):
            reader.start()
        reader.stop()
    recorder.close()
    assert recorder.path.read_text(encoding="utf-8") == ""


@pytest.mark.parametrize(("said", "let_in"), [("right", True), ("wrong", False), ("", False)])
def test_a_ledger_is_read_with_its_password_alone(tmp_path: Path, said: str, let_in: bool) -> None:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with streaming() as stream:
        stream.password = b"right"
        reader = LedgerReader(recorder, Ledger(stream.port, said), prefix="p-")
        with nullcontext() if let_in else pytest.raises(UsageError, match="no ledger at"):
            reader.start()
        reader.stop()
    recorder.close()
    assert ("stopped" in recorder.path.read_text(encoding="utf-8")) is let_in

"""What tasks write of themselves: the same mark until it is known to be kept, and no end without the work."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
from types import ModuleType, SimpleNamespace
from uuid import UUID

import pytest
import redis

from harness.observe.ledger import mark_of
from harness.settings import ROOT
from tests.unit.resp import Stream, streaming


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ledger_marks", ROOT / "dags" / "ledger_marks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


marks = load()
CONTEXT = {
    "ti": SimpleNamespace(id=UUID(int=7), task_id="transform", map_index=1, try_number=2),
    "dag_run": SimpleNamespace(run_id="p-0001"),
}


def written(stream: Stream) -> list[tuple[str, str]]:
    """Mark and mark id of every entry, in order."""
    found = [mark_of(fields, 0) for _, fields in stream.entries]
    return [(mark.mark, mark_id) for mark_id, mark in found]


def test_an_end_after_a_wait_elsewhere_says_so() -> None:
    with streaming() as stream:
        url = f"redis://127.0.0.1:{stream.port}/0"
        marks.write(marks.mark_fields(CONTEXT, "start"), url)
        marks.write(marks.mark_fields(CONTEXT, "end", resumed=True), url)
    assert [mark_of(fields, 0)[1].resumed for _, fields in stream.entries] == [False, True]


def test_an_attempt_is_framed_by_two_marks_that_the_reader_understands(monkeypatch: pytest.MonkeyPatch) -> None:
    with streaming() as stream:
        monkeypatch.setenv("AIRFLOW_CHAOS_LEDGER", f"redis://127.0.0.1:{stream.port}/0")
        with marks.attempt(CONTEXT):
            assert [mark for mark, _ in written(stream)] == ["start"]
    assert [mark for mark, _ in written(stream)] == ["start", "end"]
    assert len({mark_id for _, mark_id in written(stream)}) == 2
    _, mark = mark_of(stream.entries[0][1], 0)
    assert (mark.dag_run, mark.task, mark.map_index, mark.try_) == ("p-0001", "transform", 1, 2)
    assert (mark.executor_host, mark.ti) == (socket.gethostname(), str(UUID(int=7)))


def test_a_run_whose_success_is_told_says_so_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with streaming() as stream:
        monkeypatch.setenv("AIRFLOW_CHAOS_LEDGER", f"redis://127.0.0.1:{stream.port}/0")
        for _ in range(2):
            marks.told({"run_id": "p-0001", "reason": "success"})
        first, second = (fields for _, fields in stream.entries)
    assert first[b"mark"] == second[b"mark"] == b"told"
    assert first[b"dag_run"] == b"p-0001"
    assert first[b"mark_id"] != second[b"mark_id"]


def test_a_run_that_is_late_says_so_as_any_callback_of_a_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    with streaming() as stream:
        monkeypatch.setenv("AIRFLOW_CHAOS_LEDGER", f"redis://127.0.0.1:{stream.port}/0")
        context = {"dag_run": {"dag_run_id": "scheduled__1"}, "deadline": {"id": "7"}}
        asyncio.run(marks.overdue(dag="d", scheduled="run-1", context=context))
        marks.caller("d", "work", "success", "run-1")({"run_id": "scheduled__1"})
        late, told = (fields for _, fields in stream.entries)
    names = (b"mark", b"dag_run", b"dag", b"window", b"task", b"kind")
    assert [late[name] for name in names] == [b"called", b"scheduled__1", b"d", b"run-1", b"", b"deadline"]
    assert [told[name] for name in names] == [b"called", b"scheduled__1", b"d", b"run-1", b"work", b"success"]
    assert late[b"mark_id"] != told[b"mark_id"]


def test_work_that_raised_leaves_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with streaming() as stream:
        monkeypatch.setenv("AIRFLOW_CHAOS_LEDGER", f"redis://127.0.0.1:{stream.port}/0")
        with pytest.raises(ZeroDivisionError), marks.attempt(CONTEXT):
            _ = 1 // 0
    assert [mark for mark, _ in written(stream)] == ["start"]


@pytest.mark.parametrize("kept", [True, False], ids=["entry kept", "entry lost"])
def test_a_broken_connection_means_the_same_mark_again(kept: bool) -> None:
    with streaming() as stream:
        stream.break_next, stream.keep_broken = 2, kept
        marks.write(marks.mark_fields(CONTEXT, "end"), f"redis://127.0.0.1:{stream.port}/0")
    assert stream.broken == 2
    assert len(stream.entries) == (3 if kept else 1)
    assert len(set(written(stream))) == 1


def test_a_ledger_that_stays_away_fails_the_attempt() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
        with pytest.raises(redis.ConnectionError):
            marks.write(marks.mark_fields(CONTEXT, "start"), url, give_up_after_s=0.1)


def test_a_run_that_nobody_asked_for_bears_its_dag_and_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    by_itself = CONTEXT | {"dag_run": SimpleNamespace(run_id="scheduled__now", dag_id="d")}
    with streaming() as stream:
        monkeypatch.setenv("AIRFLOW_CHAOS_LEDGER", f"redis://127.0.0.1:{stream.port}/0")
        with marks.attempt(by_itself, scheduled="p"):
            pass
        with marks.attempt(CONTEXT):
            pass
    assert [mark_of(fields, 0)[1].dag for _, fields in stream.entries] == ["d", "d", "", ""]
    assert [fields.get(b"window") for _, fields in stream.entries] == [b"p", b"p", None, None]


def test_who_is_told_of_an_end_says_of_what(monkeypatch: pytest.MonkeyPatch) -> None:
    with streaming() as stream:
        monkeypatch.setenv("AIRFLOW_CHAOS_LEDGER", f"redis://127.0.0.1:{stream.port}/0")
        marks.caller("d", "work", "failure", "p")({"run_id": "scheduled__now"})
        ((_, fields),) = stream.entries
    said = {name: fields[name] for name in (b"mark", b"dag", b"dag_run", b"task", b"kind", b"window")}
    assert list(said.values()) == [b"called", b"d", b"scheduled__now", b"work", b"failure", b"p"]


@pytest.mark.parametrize(("breaks", "found"), [(0, {"run": "p"}), (2, {"run": "p"}), (3, {})])
def test_a_window_that_cannot_be_read_is_none(
    monkeypatch: pytest.MonkeyPatch, breaks: int, found: dict[str, str]
) -> None:
    with streaming() as stream:
        monkeypatch.setenv("AIRFLOW_CHAOS_LEDGER", f"redis://127.0.0.1:{stream.port}/0")
        assert marks.window() == {}
        stream.keys[b"window"] = b'{"run": "p"}'
        stream.break_next = breaks
        assert marks.window() == found


def test_a_sign_of_life_is_written_once_and_its_loss_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with streaming() as stream:
        monkeypatch.setenv("AIRFLOW_CHAOS_LEDGER", f"redis://127.0.0.1:{stream.port}/0")
        marks.alive(CONTEXT)
        ((_, fields),) = stream.entries
        assert (fields[b"mark"], fields[b"ti"]) == (b"alive", str(UUID(int=7)).encode())
        stream.break_next = 1
        marks.alive(CONTEXT)
    assert (stream.broken, len(stream.entries)) == (1, 2)


def test_without_a_ledger_nothing_is_written_and_the_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CHAOS_LEDGER", raising=False)
    monkeypatch.setattr(marks, "_ledger", lambda *_: pytest.fail("there is none to connect to"))
    done = []
    with marks.attempt(CONTEXT):
        done.append("work")
    marks.alive(CONTEXT)
    marks.told({"run_id": "p-0001"})
    marks.called("scheduled__1", "d", "work", "success", "run-1")
    assert (done, marks.window()) == (["work"], {})


def test_an_address_that_is_empty_is_not_taken_for_no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CHAOS_LEDGER", "")
    with pytest.raises(ValueError, match="Redis URL must specify"), marks.attempt(CONTEXT):
        pytest.fail("the work must not begin unsigned")

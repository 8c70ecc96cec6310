"""The prober's process: its connections, its end, and what its loss means."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness.errors import HarnessError
from harness.history import NS, History, Recorder
from harness.observe.prober import Config, Prober, Summary, Target
from harness.wait import until
from tests.unit.loopback import Reply, Request, serving
from tests.unit.observe.stub import Stub, stub

RATE_HZ = 20.0
SECRET = "Bearer not-for-the-process-list"


@pytest.fixture
def server() -> Iterator[Stub]:
    with stub() as running:
        yield running


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    opened = Recorder.create(tmp_path / "history.jsonl")
    yield opened
    opened.close()


def new(path: str = "/new") -> Target:
    return Target("new", path, "new", RATE_HZ, headers={"Authorization": SECRET})


def reused(path: str = "/reused") -> Target:
    return Target("reused", path, "reused", RATE_HZ)


def started(recorder: Recorder, server: Stub, *targets: Target, timeout_s: float = 2, most_s: float = 60) -> Prober:
    prober = Prober(recorder.path, recorder.t0, server.url, targets, timeout_s=timeout_s, most_s=most_s)
    prober.start()
    return prober


def asked(server: Stub, count: int) -> None:
    """Wait until the server was asked `count` times more."""
    before = len(server.asked)
    until(lambda: len(server.asked), lambda n: n >= before + count, what="requests", timeout=30, every=0.02)


def test_new_is_a_connection_per_request_and_reused_keeps_one(recorder: Recorder, server: Stub) -> None:
    prober = started(recorder, server, new(), reused())
    asked(server, 40)
    prober.stop()
    on_new = [a.connection for a in server.asked_for("/new")]
    on_reused = {a.connection for a in server.asked_for("/reused")}
    assert len(set(on_new)) == len(on_new)
    # An answer that takes longer than an interval makes the pool open another; on a busy machine, a few may.
    assert len(on_reused) <= len(server.asked_for("/reused")) // 4
    assert not on_reused & set(on_new)
    assert server.connections == len(on_new) + len(on_reused)


def test_a_kept_connection_that_the_server_closed_is_opened_again(recorder: Recorder, server: Stub) -> None:
    prober = started(recorder, server, reused())
    asked(server, 5)
    before = {a.connection for a in server.asked}
    server.hang_up()
    asked(server, 5)
    prober.stop()
    samples = list(History.read(recorder.path).samples)
    bad = [s for s in samples if s.outcome != "ok"]
    # A request that was under way fails; what was idle is passed over.
    assert len(bad) <= len(before)
    assert all(s.outcome == "fail" and "closed" in (s.error or "") for s in bad)
    assert samples[-1].outcome == "ok"
    assert server.asked[-1].connection not in before


def test_what_is_in_flight_at_the_end_is_recorded(recorder: Recorder, server: Stub) -> None:
    server.turn({"/new": "hang"})
    prober = started(recorder, server, new(), reused(), timeout_s=1)
    asked(server, 10)
    summary = prober.stop()
    samples = list(History.read(recorder.path).samples)
    assert summary == Summary(len(samples), len(samples))
    hung = [s for s in samples if s.target == "new"]
    assert {s.outcome for s in hung} == {"info"}
    assert len(hung) >= len(server.asked_for("/new"))


def test_nothing_is_lost_when_it_is_stopped_under_load(recorder: Recorder, server: Stub) -> None:
    """Two hundred requests a second, of which half hang: hundreds are in flight when the end comes."""
    server.turn({"/hang": "hang"})
    series = [
        Target(name, f"/{name}", conn, 50, must_contain="version")
        for name in ("hang", "well")
        for conn in ("new", "reused")
    ]
    prober = started(recorder, server, *series, timeout_s=3)
    asked(server, 300)
    summary = prober.stop()
    history = History.read(recorder.path)
    assert summary == Summary(len(history.samples), len(history.samples))
    assert [e.value for e in history.events if e.what == "stopped"] == [{"due": summary.due, "recorded": summary.due}]
    for target in series:
        dues = [s.due for s in history.samples if (s.target, s.conn) == (target.name, target.conn)]
        assert dues == [dues[0] + n * NS // 50 for n in range(len(dues))]
        assert len(dues) > 50
    assert {s.outcome for s in history.samples if s.target == "hang"} == {"info"}
    in_flight = [s for s in history.samples if s.target == "hang" and s.end - s.t >= 2 * NS]
    assert len(in_flight) > 100


def test_it_ends_by_itself_when_its_time_is_over(recorder: Recorder, server: Stub) -> None:
    prober = started(recorder, server, new(), most_s=1)
    pid = prober.pid
    assert pid
    until(lambda: psutil.Process(pid).status(), lambda s: s == psutil.STATUS_ZOMBIE, what="its end", timeout=30)
    summary = prober.stop()
    assert 0 < summary.due == summary.recorded <= RATE_HZ


@pytest.fixture
def ctrl_c_works() -> Iterator[None]:
    """Children inherit that a signal is ignored, as it is for jobs in the background; here they must not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_works")
def test_it_ignores_ctrl_c_which_is_for_the_harness(recorder: Recorder, server: Stub) -> None:
    prober = started(recorder, server, new())
    asked(server, 1)
    assert prober.pid
    os.kill(prober.pid, signal.SIGINT)
    asked(server, 5)
    assert prober.stop().due >= 6


def test_a_prober_that_died_is_an_error_however_often_one_asks(recorder: Recorder, server: Stub) -> None:
    prober = started(recorder, server, new())
    asked(server, 1)
    assert prober.pid
    os.kill(prober.pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(HarnessError, match="ended with -9; samples are missing"):
            prober.stop()
    assert not [e for e in History.read(recorder.path).events if e.what == "stopped"]


def test_a_prober_that_cannot_record_is_an_error(
    tmp_path: Path, server: Stub, capfd: pytest.CaptureFixture[str]
) -> None:
    prober = Prober(tmp_path / "no such folder" / "history.jsonl", 0, server.url, [new()], timeout_s=1)
    prober.start()
    with pytest.raises(HarnessError, match="ended with 1; samples are missing"):
        prober.stop()
    assert "FileNotFoundError" in capfd.readouterr().err


def test_stopping_twice_says_the_same_and_stopping_before_the_start_says_nothing(
    recorder: Recorder, server: Stub
) -> None:
    idle = Prober(recorder.path, recorder.t0, server.url, [new()], timeout_s=1)
    assert idle.stop() == Summary(0, 0)
    prober = started(recorder, server, new())
    asked(server, 3)
    assert prober.stop() == prober.stop()
    assert prober.pid is None


def test_a_token_is_not_in_the_list_of_processes(recorder: Recorder, server: Stub) -> None:
    prober = started(recorder, server, new())
    asked(server, 1)
    process = psutil.Process(prober.pid)
    assert not any("not-for-the-process-list" in part for part in process.cmdline())
    prober.stop()


def test_who_is_logged_out_logs_in_again_and_was_out_until_then(recorder: Recorder) -> None:
    """Its key is replaced once, under way; a series without a login is never touched."""
    good, logins = "T1", 0

    def answer(request: Request) -> Reply:
        nonlocal good, logins
        if request.path == "/auth/token":
            logins += 1
            known = request.body == {"username": "admin", "password": "not-for-the-process-list"}
            return Reply(201, {"access_token": good}) if known else Reply(401)
        if request.path == "/reused":
            return Reply(200 if "Authorization" not in request.headers else 400)
        return Reply(200 if request.headers.get("Authorization") == f"Bearer {good}" else 401)

    def count(what: str) -> int:
        return sum(s.outcome == what for s in History.read(recorder.path).samples if s.target == "new")

    with serving(answer) as server:
        mine = replace(new(), headers={"Authorization": "Bearer T1"})
        login = ("admin", "not-for-the-process-list")
        prober = Prober(recorder.path, recorder.t0, server.url, [mine, reused()], timeout_s=2, login=login)
        prober.start()
        until(lambda: count("ok"), lambda n: n > 3, what="answers", timeout=30, every=0.05)
        process = psutil.Process(prober.pid)
        assert not any("not-for-the-process-list" in part for part in process.cmdline())
        good = "T2"
        until(lambda: count("fail"), bool, what="a refusal", timeout=30, every=0.05)
        before = count("ok")
        until(lambda: count("ok"), lambda n: n > before + 5, what="answers again", timeout=30, every=0.05)
        prober.stop()
    samples = History.read(recorder.path).samples
    refused = [s for s in samples if s.outcome != "ok"]
    assert {(s.target, s.status) for s in refused} == {("new", 401)}
    assert len(refused) < 10
    assert logins == 1


def test_who_has_no_login_stays_out(recorder: Recorder) -> None:
    with serving(lambda _: Reply(401)) as server:
        prober = Prober(recorder.path, recorder.t0, server.url, [new()], timeout_s=2)
        prober.start()
        until(lambda: len(server.asked), lambda n: n > 5, what="requests", timeout=30, every=0.05)
        prober.stop()
        assert {r.path for r in server.asked} == {"/new"}


def test_closing_its_standard_input_ends_it(recorder: Recorder, server: Stub) -> None:
    config = Config(str(recorder.path), recorder.t0, server.url, (new(),), timeout_s=1, most_s=60)
    command = [sys.executable, "-m", "harness.observe.sampling"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin
        child.stdin.write(config.to_json() + "\n")
        child.stdin.flush()
        asked(server, 3)
        child.stdin.close()
        assert child.wait(timeout=30) == 0


OWNER = """
import sys, time
from pathlib import Path
from harness.observe.prober import Prober, Target
path, t0, url = sys.argv[1:]
prober = Prober(Path(path), int(t0), url, [Target("new", "/new", "new", 20)], timeout_s=1)
prober.start()
print(prober.pid, flush=True)
time.sleep(60)
"""


def test_it_ends_with_a_harness_that_was_killed_and_loses_nothing(recorder: Recorder, server: Stub) -> None:
    command = [sys.executable, "-c", OWNER, str(recorder.path), str(recorder.t0), server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        child = psutil.Process(pid)
        asked(server, 3)
        owner.kill()
    until(child.is_running, lambda runs: not runs or child.status() == psutil.STATUS_ZOMBIE, what="its end", timeout=30)
    history = History.read(recorder.path)
    (told,) = [e.value for e in history.events if e.what == "stopped"]
    assert told == {"due": len(history.samples), "recorded": len(history.samples)}
    dues = [s.due for s in history.samples]
    assert dues[-1] - dues[0] == (len(dues) - 1) * round(NS / 20)


def test_the_number_of_a_request_is_its_place_among_those_of_its_series(recorder: Recorder, server: Stub) -> None:
    """The judge tells by the order of due times which request bore which number, whatever became of those before."""
    path, odd = "/reused?nonce=run-1.{:08}", {3: "503", 5: "hang", 6: "reset", 12: "wrong"}
    server.turn({path.format(number): mode for number, mode in odd.items()})  # type: ignore[misc]
    target = Target("reused", "/reused", "reused", RATE_HZ, must_contain="version", nonce="run-1")
    prober = started(recorder, server, target, new(), timeout_s=1)
    asked(server, 60)
    prober.stop()
    (column,) = [c for c in History.read(recorder.path).samples.columns.values() if c.target == "reused"]
    assert column.bad.nonzero()[0].tolist() == list(odd)

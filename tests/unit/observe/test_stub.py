"""The stub fails when its script says so, in the way that it says, and in no other."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import pytest
import requests

from harness.history import NS
from harness.observe.stub import LAG_S, PORTS, Script, Span
from harness.wait import until

ALWAYS = 3600 * NS
KINDS = ("refuse", "hang", "500", "truncate", "slow", "flap")


@contextmanager
def stub(spans: Mapping[str, tuple[Span, ...]], late_s: float = 2) -> Iterator[tuple[dict[str, int], list[str]]]:
    """Its ports, and what it says at its end."""
    script = Script(time.monotonic_ns(), spans, late_s)
    command = [sys.executable, "-m", "harness.observe.stub"]
    said: list[str] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(script.to_json() + "\n")
        child.stdin.flush()
        yield json.loads(child.stdout.readline()), said
        said.append(child.communicate(timeout=20)[0])


def ask(port: int, kind: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{port}/{kind}", timeout=0.5)


def test_without_an_outage_every_kind_is_answered() -> None:
    with stub({}) as (ports, _):
        assert all(port in PORTS for port in ports.values())
        for kind in KINDS:
            answer = ask(ports["always"], kind)
            assert (answer.status_code, "version" in answer.text) == (200, True)
            assert answer.elapsed.total_seconds() >= (LAG_S if kind == "slow" else 0)


def test_each_kind_fails_in_its_own_way() -> None:
    spans = dict.fromkeys(KINDS[1:], ((0, ALWAYS),))
    with stub(spans) as (ports, _):
        port = ports["always"]
        for kind in ("500", "flap"):
            assert ask(port, kind).status_code == 500
        with pytest.raises(requests.exceptions.ReadTimeout):
            ask(port, "hang")
        with pytest.raises(requests.exceptions.ReadTimeout):
            ask(port, "slow")
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            ask(port, "truncate")


def test_what_is_too_slow_comes_all_the_same() -> None:
    with stub({"slow": ((0, ALWAYS),)}, late_s=0.3) as (ports, _):
        assert ask(ports["always"], "slow").elapsed.total_seconds() >= 0.3


def test_the_door_is_shut_by_the_script_and_kept_connections_are_cut() -> None:
    begin = 4 * NS
    with stub({"refuse": ((begin, begin + NS),)}) as (ports, said), requests.Session() as kept:

        def answered() -> bool:
            with suppress(requests.exceptions.ConnectionError):
                return kept.get(f"http://127.0.0.1:{ports['sometimes']}/refuse", timeout=1).ok
            return False

        assert answered()
        until(answered, lambda ok: not ok, what="the door to be shut", timeout=20, every=0.05)
        until(answered, bool, what="the door to be opened", timeout=20, every=0.05)
    ((shut, opened),) = json.loads(said[0])["refuse"]
    assert shut >= begin
    assert opened - shut > NS // 2


def test_a_stub_that_is_ended_before_its_script_does_not_say_what_was_true() -> None:
    with stub({"refuse": ((ALWAYS, 2 * ALWAYS),)}) as (_, said):
        pass
    assert said == [""]

"""What the owner watches, against a server that answers as Prometheus does, or as what stands before it."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any

import pytest

from harness.errors import UsageError
from harness.observe import owner
from harness.observe.owner import Owner
from harness.settings import Settings
from tests.unit.loopback import Reply, Request, serving

QUERY = 'sum(rate(errors{app="x"}[1m]))'


def vector(*values: str) -> Reply:
    result = [{"metric": {}, "value": [1.5, value]} for value in values]
    return Reply(200, {"status": "success", "data": {"resultType": "vector", "result": result}})


def scalar(value: str) -> Reply:
    return Reply(200, {"status": "success", "data": {"resultType": "scalar", "result": [1.5, value]}})


BAD: list[tuple[Reply, str]] = [
    (vector(), "it has no value now"),
    (vector("NaN"), "it has no value now"),
    (vector("1", "NaN"), "it has no value now"),
    (scalar("many"), "something that is not a number"),
    (
        Reply(400, {"status": "error", "errorType": "bad_data", "error": "parse error"}),
        "answered 400 without a value",
    ),
    (Reply(200, {"status": "success", "data": {"resultType": "matrix", "result": []}}), "without a value"),
    (Reply(200, raw=b"<html>"), "without a value"),
    (Reply(drop=True), "Prometheus does not answer"),
]


@pytest.mark.parametrize(
    ("reply", "value"),
    [(vector("0.2"), None), (vector("0.2", "0.7"), "0.7"), (scalar("0.6"), "0.6"), (scalar("+Inf"), "inf")],
)
def test_the_largest_value_counts(reply: Reply, value: str | None) -> None:
    with serving(lambda _: reply) as server:
        said = Owner(server.url, QUERY, 0.5)()
    assert said == (f"the owner's query is at {value}, and may be at most 0.5 ({QUERY})" if value else None)
    assert [(r.method, r.path, r.query) for r in server.asked] == [("GET", "/api/v1/query", {"query": [QUERY]})]


def test_what_is_at_its_limit_is_not_beyond_it() -> None:
    with serving(lambda _: vector("0.5")) as server:
        one = Owner(server.url + "/", QUERY, 0.5)
        one.agree()
        assert one() is None


@pytest.mark.parametrize(("reply", "said"), BAD)
def test_a_run_does_not_begin_with_a_query_that_has_no_value(reply: Reply, said: str) -> None:
    with serving(lambda _: reply) as server, pytest.raises(UsageError, match=said):
        Owner(server.url, QUERY, 0.5).agree()


def test_nor_where_it_is_beyond_its_limit_already() -> None:
    with (
        serving(lambda _: vector("3")) as server,
        pytest.raises(UsageError, match=r"is at 3, .* before anything is broken"),
    ):
        Owner(server.url, QUERY, 0.5).agree()


@pytest.mark.parametrize("reply", [reply for reply, _ in BAD])
def test_a_moment_without_a_value_is_borne_and_no_more(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: reply) as server:
        one = Owner(server.url, QUERY, 0.5)
        assert one() is None
        monkeypatch.setattr(owner, "BLIND_S", -1.0)
        said = one()
    assert said is not None
    assert re.match(r"the owner's query was not answered for \d+ s: \w", said)


def test_an_answer_ends_the_blindness() -> None:
    turns = [Reply(drop=True), vector("0"), Reply(drop=True)]
    with serving(lambda _: turns.pop(0)) as server:
        one = Owner(server.url, QUERY, 0.5)
        one._seen -= 19
        assert one() is None
        assert one() is None
        seen = one._seen
        assert one() is None
        assert one._seen == seen


def test_a_server_that_is_not_there_shows_no_login() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://user:canary@127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UsageError, match="Prometheus does not answer") as caught:
            Owner(url, QUERY, 0.5).agree()
    assert "canary" not in str(caught.value)


def test_a_login_in_the_address_is_sent_as_one() -> None:
    heard: list[Request] = []

    def answer(request: Request) -> Reply:
        heard.append(request)
        return vector("0")

    with serving(answer) as server:
        Owner(server.url.replace("http://", "http://user:canary@"), QUERY, 0.5).agree()
    assert heard[0].headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "said",
    [
        {"brake_url": "http://x"},
        {"brake_query": "up"},
        {"brake_limit": 0.0},
        {"brake_url": "http://x", "brake_limit": 0.0},
    ],
)
def test_a_part_of_it_is_refused_and_nothing_is_none(said: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="the brake has no AIRFLOW_CHAOS_BRAKE_"):
        Owner.of(Settings(**said))
    assert Owner.of(Settings()) is None


def test_a_limit_of_zero_is_one() -> None:
    make: Callable[..., Settings] = Settings
    with serving(lambda _: vector("0.1")) as server:
        one = Owner.of(make(brake_url=server.url, brake_query=QUERY, brake_limit=0.0))
        assert one is not None
        assert one() is not None

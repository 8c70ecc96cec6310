"""Reading answers: whole ones however they arrive, and never a part of one taken for the whole."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.observe.exchange import Client, Reply, prepare

few = settings(max_examples=60, deadline=None)


@dataclass
class Wire:
    """A server that writes `answers`, one a request, each in the pieces given, and then closes, resets or stays."""

    answers: list[list[bytes]]
    close: bool = True
    reset: bool = False
    connections: int = 0
    asked_on: list[int] = field(default_factory=list)
    ended: list[asyncio.Event] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.ended.append(ended := asyncio.Event())
        # The client may go once it has what it wanted.
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._answer(self.connections, reader, writer)
        with suppress(ConnectionError):
            if self.reset:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()
            await writer.wait_closed()
        ended.set()

    async def _answer(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            self.asked_on.append(number)
            for piece in self.answers.pop(0):
                writer.write(piece)
                await asyncio.sleep(0)
            if self.close or self.reset:
                return


def ask(
    wire: Wire,
    *,
    at_once: int = 0,
    times: int = 1,
    method: str = "GET",
    contains: bytes = b"",
    timeout_s: float = 5,
    pause_s: float = 0,
) -> list[Reply]:
    """What some requests at once, and then `times` in a row with pauses, come to on kept connections."""

    async def one(client: Client) -> Reply:
        reply = await client.once(timeout_s)
        await asyncio.sleep(pause_s)
        return reply

    async def talk() -> list[Reply]:
        server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        request = prepare(method, f"127.0.0.1:{port}", "/x", {}, keep=True)
        client = Client("127.0.0.1", port, request, keep=True, status=200, contains=contains)
        async with server:
            replies = await asyncio.gather(*(client.once(timeout_s) for _ in range(at_once)))
            replies += [await one(client) for _ in range(times)]
            client.close()
            for ended in wire.ended:
                await ended.wait()
        return replies

    return uvloop.run(talk())


def with_length(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes) -> bytes:
    half = len(body) // 2
    parts = [part for part in (body[:half], body[half:]) if part]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


framings = st.sampled_from([with_length, chunked])


def pieces(whole: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(whole) + 1) for cut in cuts), len(whole)]
    return [whole[a:b] for a, b in pairwise(edges) if a < b]


@few
@given(st.binary(min_size=1, max_size=60), framings, st.lists(st.integers(0, 10**6), max_size=6))
def test_a_whole_answer_is_read_however_it_is_cut(body: bytes, framing: object, cuts: list[int]) -> None:
    assert callable(framing)
    wire = Wire([pieces(framing(body), cuts), [framing(body)]], close=False)
    assert ask(wire, times=2, contains=body) == [Reply("ok", 200)] * 2
    assert wire.connections == 1


@few
@given(st.binary(min_size=1, max_size=60), framings, st.integers(0, 10**6))
def test_a_part_of_an_answer_is_never_the_whole(body: bytes, framing: object, cut: int) -> None:
    assert callable(framing)
    whole: bytes = framing(body)
    part = whole[: cut % len(whole)]
    (reply,) = ask(Wire([[part] if part else []]))
    assert reply.outcome == "fail"
    assert reply.error
    assert reply.status == (200 if b"\r\n\r\n" in part else None)


@few
@given(st.binary(max_size=60))
def test_what_is_no_http_is_a_failure(noise: bytes) -> None:
    (reply,) = ask(Wire([[b"?" + noise]]))
    assert reply.outcome == "fail"


def test_without_a_length_an_answer_ends_with_its_connection() -> None:
    wire = Wire([[b"HTTP/1.1 200 OK\r\n\r\n", b"to the", b" end"], [with_length(b"next")]])
    assert ask(wire, times=2) == [Reply("ok", 200), Reply("ok", 200)]
    assert wire.connections == 2


def test_a_reset_is_not_such_an_end() -> None:
    (reply,) = ask(Wire([[b"HTTP/1.1 200 OK\r\n\r\n", b"to the"]], reset=True))
    assert reply.outcome == "fail"
    assert "Reset" in (reply.error or "")


def test_kept_connections_take_turns_so_that_none_is_idle_for_long() -> None:
    wire = Wire([[with_length(b"x")] for _ in range(9)], close=False)
    assert ask(wire, at_once=3, times=6) == [Reply("ok", 200)] * 9
    assert sorted(wire.asked_on[:3]) == sorted(wire.asked_on[3:6]) == sorted(wire.asked_on[6:]) == [1, 2, 3]


def test_a_kept_connection_that_was_closed_while_idle_is_passed_over() -> None:
    wire = Wire([[with_length(b"x")], [with_length(b"x")]], close=True)
    assert ask(wire, times=2, pause_s=0.3) == [Reply("ok", 200)] * 2
    assert wire.connections == 2


def test_an_interim_answer_is_not_the_answer() -> None:
    wire = Wire([[b"HTTP/1.1 100 Continue\r\n\r\n", with_length(b"here")]])
    assert ask(wire, contains=b"here") == [Reply("ok", 200)]


def test_a_switch_of_protocol_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nrest"
    (reply,) = ask(Wire([[switch]]))
    assert (reply.outcome, reply.status) == ("fail", 101)
    assert not caplog.records, "the loop caught what the connection should have"


def test_an_answer_to_head_has_no_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
    wire = Wire([[head], [head]], close=False)
    assert ask(wire, times=2, method="HEAD") == [Reply("ok", 200)] * 2
    assert wire.connections == 1


def test_a_server_that_says_close_is_taken_at_its_word() -> None:
    last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    wire = Wire([[last], [last]])
    assert ask(wire, times=2) == [Reply("ok", 200)] * 2
    assert wire.connections == 2


def test_more_than_the_answer_is_not_taken_for_the_next_one() -> None:
    wire = Wire([[with_length(b"one") + with_length(b"unasked")], [with_length(b"two")]], close=False)
    first, second = ask(wire, times=2, contains=b"o")
    assert first == Reply("ok", 200)
    assert second == Reply("ok", 200)
    assert wire.connections == 2


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour"])
def test_silence_is_unknown_with_the_status_if_there_was_one(begun: bytes) -> None:
    (reply,) = ask(Wire([[begun]], close=False), timeout_s=0.5)
    assert reply.outcome == "info"
    assert reply.status == (200 if begun else None)


def test_a_request_says_what_it_wants_of_its_connection() -> None:
    assert b"\r\nConnection: close\r\n" in prepare("GET", "h", "/", {}, keep=False)
    assert b"\r\nConnection: keep-alive\r\n" in prepare("GET", "h", "/", {"X": "y"}, keep=True)
    assert prepare("POST", "h", "/p", {}, keep=True).startswith(b"POST /p HTTP/1.1\r\nHost: h\r\n")
    assert b"Content-Length: 0" in prepare("POST", "h", "/p", {}, keep=True)
    assert b"Content-Length" not in prepare("GET", "h", "/p", {}, keep=True)


def test_each_request_carries_a_number_that_none_before_it_had() -> None:
    asked: list[bytes] = []

    async def ask() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while head := await reader.readuntil(b"\r\n\r\n"):
                asked.append(head.split(b" ")[1])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                if len(asked) == 3:
                    writer.close()
                    return

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        request = prepare("GET", "h", "/p?limit=5", {}, keep=True, nonce="run-1")
        client = Client("127.0.0.1", port, request, keep=True, status=200, contains=b"")
        for _ in range(3):
            assert (await client.once(5)).outcome == "ok"
        client.close()
        server.close()

    asyncio.run(ask())
    assert asked == [b"/p?limit=5&nonce=run-1.%08d" % number for number in range(3)]


def test_a_write_carries_its_number_and_an_answer_that_speaks_of_another_is_none() -> None:
    """The server answers each write with what it was sent, and the third with what the second had sent."""
    bodies: list[bytes] = []

    async def ask() -> list[Reply]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while len(bodies) < 3:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                bodies.append(await reader.readexactly(length))
                writer.write(with_length(bodies[min(len(bodies), 2) - 1]))
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        request = prepare("PATCH", "h", "/v", {}, keep=True, body='{"value": "<number>"}')
        client = Client("127.0.0.1", port, request, keep=True, status=200, contains=b"<number>")
        replies = [await client.once(5) for _ in range(3)]
        client.close()
        server.close()
        return replies

    replies = asyncio.run(ask())
    assert bodies == [b'{"value": "%08d"}' % number for number in range(3)]
    assert [reply.outcome for reply in replies] == ["ok", "ok", "fail"]
    assert replies[2].error == "the answer does not contain '00000002'"


def test_without_a_nonce_a_request_is_as_it_was_prepared() -> None:
    assert b"nonce" not in prepare("GET", "h", "/p", {}, keep=True)

"""How long it takes a pod to connect to another, tried from within it: what a delay on the way must show in.

Of several connections the middle one counts, so that neither one that was lucky nor one that waited decides.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from harness.chaos.crossing import ANSWERS_WITHIN_S, Way, asked, begun, standing
from harness.errors import FaultError
from harness.kube import Console, Kube, KubeError

GROWN_WITHIN_S = 30.0
CONNECTIONS = 3
SHARE = 0.5  # of the delay that was asked for

_TRY = f"""
import socket, sys, time
there, within = (sys.argv[1], int(sys.argv[2])), float(sys.argv[3])
print("end", flush=True)
for line in sys.stdin:
    for _ in range({CONNECTIONS}):
        began = time.monotonic()
        try:
            socket.create_connection(there, within).close()
        except OSError:
            print("no")
        else:
            print(1000 * (time.monotonic() - began))
    print("end", flush=True)
"""


@dataclass(frozen=True)
class Timed:
    """One way, what tries it, and how many milliseconds a connection took before."""

    way: Way
    line: Console
    before_ms: float


def timed(kube: Kube, some: Sequence[Way], asked_s: float, closing: ExitStack) -> list[Timed]:
    """Each way as it is now. Raises `FaultError` where it cannot be told."""
    found = []
    for way in some:
        line, said = begun(kube, way, closing, _TRY, str(_within(asked_s)))
        if (now := _middle(said)) is None:
            raise FaultError(f"{way[0].key} does not reach {way[1].key}:{way[2]} as it is; nothing was delayed")
        found.append(Timed(way, line, now))
    return found


def wait_grown(tries: Mapping[str, Sequence[Timed]], asked_s: float) -> dict[str, list[list[float | None]]]:
    """Milliseconds before and now of each way, by the pod's uid, once all have grown enough or time is up; None is
    what did not get across."""
    deadline = time.monotonic() + GROWN_WITHIN_S
    while True:
        found = {uid: [[one.before_ms, _now(one, asked_s)] for one in some] for uid, some in tries.items()}
        grown = all(grown_enough(before, now, asked_s) for some in found.values() for before, now in some)
        if grown or time.monotonic() >= deadline:
            return found
        time.sleep(1.0)


def grown_enough(before_ms: float | None, now_ms: float | None, asked_s: float) -> bool:
    return before_ms is not None and now_ms is not None and now_ms - before_ms >= SHARE * 1000 * asked_s


def slow(kube: Kube, before: Mapping[Way, float], asked_s: float) -> list[str]:
    """Which ways still take longer than before, or are not passed at all, in words."""
    found = []
    for way in standing(kube, list(before)):
        with ExitStack() as closing:
            try:
                now = _middle(begun(kube, way, closing, _TRY, str(_within(asked_s)))[1])
            except FaultError:
                now = None
        if now is None or grown_enough(before[way], now, asked_s):
            found.append(f"{way[1].key}:{way[2]} from {way[0].key} is not reached as fast as before")
    return found


def _now(one: Timed, asked_s: float) -> float | None:
    """One that cannot be asked proves nothing."""
    try:
        return _middle(asked(one.line, ANSWERS_WITHIN_S + CONNECTIONS * _within(asked_s)))
    except KubeError:
        return None


def _within(asked_s: float) -> float:
    """Seconds for a connection, which a delay hits once on each way."""
    return 4 * asked_s + 2


def _middle(said: Sequence[str]) -> float | None:
    return None if not said or "no" in said else median(float(one) for one in said)

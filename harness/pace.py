"""How fast is the machine? It may be shared at a level that we cannot see: its processors then seem busy with the stack
alone, and are slow.

The work is what Airflow's processes spend their time on: making objects, writing them down and reading them again. A
loop over numbers stays in the processor's own caches, and was as fast as ever on a machine whose memory had become half
as fast. It is measured in processor time, since waiting for a turn is not slowness.
"""

from __future__ import annotations

import json
import time
from statistics import median

OBJECTS = 20_000
PIECES = 3
USUAL_MS = 5.3  # on the machines on which the bounds were measured, with compilers at work on all processors
SLOWEST = 1.5  # times that
EVERY_S = 0.5
MS = 1_000_000  # nanoseconds


def work_ms() -> float:
    """Milliseconds of this thread's processor time for a fixed piece of work: the middle one of several."""
    return round(sorted(_piece() for _ in range(PIECES))[PIECES // 2] / MS, 3)


def too_slow(readings: int = 15) -> str | None:
    """Why bounds would say nothing here, or None: the middle of several readings, half a second apart."""
    told = []
    for _ in range(readings):
        told.append(work_ms())
        time.sleep(EVERY_S)
    return slowly(median(told))


def slowly(ms: float) -> str | None:
    """Why this many milliseconds for the work are too many, or None."""
    if ms <= SLOWEST * USUAL_MS:
        return None
    return f"the processors took {ms / USUAL_MS:.1f} times as long as usual for the same work"


def _piece() -> int:
    objects = {"numbers": list(range(OBJECTS)), "texts": [str(number) for number in range(OBJECTS)]}
    began = time.thread_time_ns()
    json.loads(json.dumps(objects))
    return time.thread_time_ns() - began

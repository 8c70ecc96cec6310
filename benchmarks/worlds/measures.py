"""What the promises truly came to in a life: the longest outage, tasks lost, when each phase of a recovery came.

Nothing here calls the judge. Seconds, counts and percents, as the bounds have them; `error` is how far what is measured
may be from what is true: one probe interval, or an observer's delay.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

from benchmarks.worlds.life import APART, END, FAULT, HIT, PROBED_UNTIL, Attempt, Key, Life, Run
from benchmarks.worlds.stack import TASKS

POD_LAG, JOB_LAG, RUN_LAG, MARK_LAG, STARTED_LATE = 0.25, 0.55, 1.1, 0.05, 0.02
ANSWERED_MS = 20
SLOW_MS = 900
SLOW_SHARE = 0.1  # of the time may be slow
AROUND = 2.5  # probe intervals: by so much the time that was slow or silent may be measured wrongly


@dataclass(frozen=True)
class Measure:
    """`least` is what is known at least of something that has not ended; `broken` says that no limit would hold it,
    `moot` that there was nothing to measure, so that nobody can say."""

    value: float = 0.0
    error: float = 0.0
    least: float | None = None
    broken: bool = False
    moot: bool = False


def since(planned: bool) -> int:
    return FAULT if planned else 0


def availability(life: Life, planned: bool) -> dict[str, Measure]:
    """Outages and errors of the worst series, from the fault phase on."""
    found = {}
    for write, word in ((False, "read"), (True, "write")):
        keys = [key for key in life.intervals if key[2] is write]
        lasts = [outage(life, key, planned) for key in keys]
        worst = max(lasts, key=lambda m: m.value)
        found[f"availability.{word}.outage"] = Measure(worst.value, max(m.error for m in lasts))
        judged = (PROBED_UNTIL - since(planned)) / 1000
        total = [sum(b - a for a, b in bad(life, key, planned)) / 1000 for key in keys]
        step = max(life.intervals[key][1] for key in keys) / 1000
        error = 100 * 2 * step / judged if any(total) else 0.0
        found[f"availability.{word}.errors"] = Measure(100 * max(total) / judged, error)
    return found


def bad(life: Life, key: Key, planned: bool) -> list[tuple[int, int]]:
    return [(o.begin, o.end) for o in life.outages if o.key == key and o.end > since(planned)]


def outage(life: Life, key: Key, planned: bool) -> Measure:
    lasts = [b - a for a, b in bad(life, key, planned)]
    error = life.intervals[key][1] / 1000 + STARTED_LATE if lasts else 0.0
    return Measure(max(lasts, default=0) / 1000, error)


def latency(
    life: Life, planned: bool, write: bool, seconds: float, percent: float, replacing: float = 0.0
) -> set[float]:
    """Within how many seconds all was answered, but for what may be slow: so many seconds, or percent of the time; and
    half of the milliseconds in which something was being replaced.
    Infinite where it was not answered at all. More than one where the measure's error does not allow to tell."""
    judged = PROBED_UNTIL - since(planned)
    free = max(judged * max(SLOW_SHARE, percent / 100), seconds * 1000) + replacing / 2
    each = [_within(life, key, planned, free) for key in life.intervals if key[2] is write]
    least = max(min(possible) for possible in each)
    return {value for possible in each for value in possible if value >= least}


def _within(life: Life, key: Key, planned: bool, free: float) -> set[float]:
    outages = bad(life, key, planned)
    gone = sum(b - a for a, b in outages)
    slow = sum(b - a - _shared((a, b), outages) for k, a, b, _ in life.slow if k == key)
    around = AROUND * life.intervals[key][1]
    possible = set()
    if gone and gone > free - around:
        possible.add(math.inf)
    if gone <= free + around and slow and gone + slow > free - around:
        possible.add(SLOW_MS / 1000)
    if gone + slow <= free + around or not gone + slow:
        possible.add(ANSWERED_MS / 1000)
    return possible


def _shared(one: tuple[int, int], others: list[tuple[int, int]]) -> int:
    """How much of a stretch lies in others, of which no two overlap: what is gone cannot be slow besides."""
    return sum(max(0, min(one[1], b) - max(one[0], a)) for a, b in others)


def by_task(run: Run) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in run.attempts:
        found[attempt.task].append(attempt)
    return found


def finished(life: Life) -> list[Run]:
    return [run for run in accepted(life) if run.ended is not None and run.state == "success"]


def accepted(life: Life) -> list[Run]:
    """Those of which it is known."""
    return [run for run in life.runs if run.answered]


def tasks(life: Life) -> dict[str, Measure]:
    """Tasks and runs, each counted once for each way to go wrong."""
    every = [tries for run in life.runs for tries in by_task(run).values()]
    undone = [run for run in accepted(life) if run.ended is None or run.state != "success"]
    lost = [t for run in finished(life) for t in TASKS if not any(a.end for a in by_task(run)[t])]
    lasted = [(run.ended - run.asked) / 1000 for run in finished(life) if run.ended is not None]
    lasting = [(END - run.asked) / 1000 for run in accepted(life) if run.ended is None]
    missed, behind = len(undone) + len(lost), sum(not a.known for tries in every for a in tries)
    return {
        "tasks.lost": Measure(missed, least=None if len(accepted(life)) == len(life.runs) else missed),
        "tasks.duplicated": Measure(sum(sum(a.end is not None for a in tries) > 1 for tries in every)),
        "tasks.extra_attempts": Measure(sum(len(tries) - 1 for tries in every)),
        "tasks.overlapping": Measure(sum(any(_both(a, b) for a, b in combinations(tries, 2)) for tries in every)),
        "tasks.unknown_attempts": Measure(behind, least=None if all(r.listed for r in accepted(life)) else behind),
        "tasks.run_duration": Measure(max(lasted, default=0), RUN_LAG, least=max(lasting, default=None)),
        "evidence.finished_runs": Measure(len(finished(life))),
        "availability.read.stale": Measure(sum(_stale(run) for run in accepted(life))),
        "availability.stream.broken": _streams(life),
        "availability.write.kept": _forgotten(life),
    }


def _both(a: Attempt, b: Attempt) -> bool:
    return a.end is not None and b.end is not None and max(a.start, b.start) < min(a.end, b.end)


def _stale(run: Run) -> bool:
    """Not seen 2 s after it was accepted, or seen and then not."""
    sights = [seen for _, seen in sorted(run.seen)]
    late = [seen for t, seen in run.seen if t >= run.accepted + 2_000]
    return not all(late) or any(a and not b for a, b in combinations(sights, 2))


def _forgotten(life: Life) -> Measure:
    """Answered writes that were not kept; one that is due at the edge of an outage may be in it or not."""
    (key,) = (key for key in life.intervals if key[2])
    gone = bad(life, key, planned=False)
    every = [t for t in range(life.intervals[key][0], PROBED_UNTIL, life.intervals[key][1]) if not _in(t, gone)]
    lost = [t for t in every if life.forgets is not None and t > life.forgets]
    return Measure(len(lost), 1 + 2 * len(gone) if lost else 0)


def _in(t: int, spans: list[tuple[int, int]]) -> bool:
    return any(a <= t < b for a, b in spans)


def _streams(life: Life) -> Measure:
    ended = [run for run in accepted(life) if run.ended is not None and run.ended > FAULT]
    spans = not life.dead or any(run.accepted < HIT < (run.ended or 0) for run in ended)
    judged = ended if life.dead else [run for run in accepted(life) if run.ended is not None]
    return Measure(sum(run.broken for run in judged), moot=len(judged) < 5 or not spans)


def recovery(life: Life) -> dict[str, Measure]:
    """When each phase came, in seconds after the hit."""
    again = [pod for pod in life.pods if pod.name.endswith("-again")]
    new = [job for job in life.jobs if job.begun > HIT]
    ready = [pod.ready[0][0] for pod in again]
    unstable = any(len(pod.ready) > 1 for pod in again)
    silent = any(job.beats[-1] < END - 35_000 or job.states[-1][1] != "running" for job in new)
    begun = [a.start for run in life.runs if run.asked > HIT for a in run.attempts]
    found = {
        "recovery.process_gone": _own([life.gone_at[pod.uid] for pod in life.dead], 0),
        "recovery.replacement_ready": _own(sorted(ready), POD_LAG, broken=unstable),
        "recovery.first_heartbeat": _phase(min((j.beats[0] for j in new), default=END), JOB_LAG, broken=silent),
        "recovery.first_new_task": _phase(min(begun, default=END), MARK_LAG),
        "recovery.orphans_handled": _orphans(life),
        "recovery.last_delayed_run": _delayed(life),
        "rollback.time": _rollback(life, unstable=unstable, ready=max(ready)),
        "collateral.restarts": Measure(sum(1 for p in life.pods for t in p.restarts if t > FAULT)),
    }
    return {**found, "recovery.workers_consume": Measure(moot=True)}


def _own(times: list[int], error: float, *, broken: bool = False) -> Measure:
    """The worst of all that were hit, each from its own hit on; as many as were hit by then must have come."""
    each = [_phase(t - APART * number, error, broken=broken) for number, t in enumerate(times)]
    return max(each, key=lambda found: (found.broken, found.value))


def _phase(t: float, error: float, *, broken: bool = False) -> Measure:
    came = t < END
    return Measure((t - HIT) / 1000 if came else 0.0, error, broken=broken or not came)


def _orphans(life: Life) -> Measure:
    """Jobs that were dead and are running again are as bad as those that nobody marked."""
    old = [job for job in life.jobs if job.begun < HIT]
    marked = [min((t for t, state in job.states if state != "running"), default=END) for job in old]
    return _phase(max(marked), JOB_LAG, broken=any(job.states[-1][1] == "running" for job in old))


def _delayed(life: Life) -> Measure:
    flying = [r for r in accepted(life) if r.accepted < HIT and _unfinished(r, HIT)]
    broken = any(r.ended is None or r.state != "success" for r in flying)
    last = max((r.ended or END for r in flying), default=HIT)
    return Measure((last - HIT) / 1000, RUN_LAG, broken=broken, moot=not flying)


def _unfinished(run: Run, t: int) -> bool:
    done = {a.task for a in run.attempts if a.end is not None and a.end <= t}
    return not set(TASKS) <= done


def _rollback(life: Life, *, unstable: bool, ready: int) -> Measure:
    went = any(t > FAULT for pod in life.pods for t in pod.restarts) or unstable
    whole = life.whole and ready <= life.undone and not went
    return Measure((life.undone - HIT) / 1000, POD_LAG, broken=not whole)


def task_pods(life: Life) -> dict[str, Measure]:
    """Only on a stack with a pod a task. What is left when the run ends has been over for half a minute."""
    pods = [pod for pod in life.of("task") if pod.task]
    left = [p for p in pods if p.gone is None and p.ready[-1][1] <= END - 30_000]
    return {
        "tasks.extra_pods": Measure(len(pods) - len({pod.task for pod in pods})),
        "tasks.left_pods": Measure(len(left)),
    }

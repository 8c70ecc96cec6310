"""A life as its observers recorded it: a history of format 1, with their delays, and with what the world spoils."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from benchmarks.worlds import kinds, odd, watched
from benchmarks.worlds.choices import World
from benchmarks.worlds.life import APART, BASELINE, COOLDOWN, END, FAULT, HIT, PROBED_UNTIL, RECOVERY, Life, Pod
from benchmarks.worlds.limits import owed
from benchmarks.worlds.sampled import MS, OK, sampled
from benchmarks.worlds.stack import SERIES, replicas
from benchmarks.worlds.timed.recorded import pools, recorded, schedules
from benchmarks.worlds.unchecked import unchecked
from harness.history import End, Event, Fault, History, Mark, Meta, Op, Phase, Record
from harness.samples import Samples
from harness.slo import CATALOGUE

CUTS = (30_000, 45_000, 60_000, END)
ACTION = "kill_pods"
Name = Literal["baseline", "fault", "recovery", "cooldown"]
Edge = Literal["begin", "end"]
Step = Literal["begin", "injected", "proved", "ended", "rolled-back"]


def history(life: Life, world: World, limits: Mapping[str, float]) -> History:
    """What the judge reads of this life."""
    samples = sampled(life, world)
    records = [*_phases(world), *_faults(life, world), *watched.watched(life, world), *_machine(world)]
    records += _left(life, world, samples)
    records += recorded(life, world)
    records = odd.changed(list(kinds.changed(records, life, world)), world, said=False)
    marks = sum(isinstance(record, Mark) for record in records)
    dropped = world.way("lines-missing")
    if dropped == 0:
        records.remove(next(r for r in reversed(records) if isinstance(r, Mark)))
    records += _observers(world, len(samples) + (dropped == 1), marks)
    records = odd.changed(records, world, said=True)
    whole: list[Record] = sorted(records, key=lambda r: r.t)
    cut = world.way("cut-short")
    end = END * MS
    if cut is not None:
        end = CUTS[cut] * MS
        whole = [record for record in whole if record.t <= end]
        samples.columns = {k: kept for k, c in samples.columns.items() if len(kept := c.where(c.end <= end))}
    ended = [] if cut is not None else [unchecked(End, t=end, complete=True)]
    found = History.of([meta(life, world, limits), *whole, *ended])
    last = max((int(column.t.max()) for column in samples.columns.values()), default=0)
    return replace(found, samples=samples, last_t=max(found.last_t, last))


def meta(life: Life, world: World, limits: Mapping[str, float]) -> Meta:
    slo = {n: {"limit": v, "unit": CATALOGUE[n].unit, "origin": "a simulated world"} for n, v in limits.items()}
    targets: dict[str, dict[str, Any]] = {}
    for (target, conn, write), step in SERIES:
        if not write:
            targets.setdefault(target, {"rate_hz": 1000 / step, "conn": []})["conn"].append(conn)
    probe: dict[str, Any] = {"rate_hz": 6, "timeout_s": 5, "targets": targets}
    if (way := world.way("calibration")) is not None:
        row = {"kind": "500", "conn": "new", "outages": 14, "median_ms": 1.0, "unfounded": 0, "least_ms": -9.0}
        rows = [] if way == 1 else [{**row, "most_ms": 90.0 if way == 0 else 9.0}]
        wall = "2026-01-01T00:00:00.000Z"
        said = {"wall": wall, "machine": "a world", "interval_ms": 20.0, "stated_ms": 25.0, "rows": rows}
        probe["calibration"] = said
    return unchecked(
        Meta,
        t=0,
        format=1,
        run_id=f"world-{world.seed}",
        experiment=f"{world.fault}-kill",
        stack=world.stack,
        wall="2026-01-01T00:00:00.000Z",
        component=world.fault,
        replicas=replicas(world.stack),
        slo=slo,
        probe=probe,
        seed=world.seed,
        schedules=schedules(world),
        pools=pools(world),
        recovery=[name.removeprefix("recovery.") for name in owed(world) if name.startswith("recovery.")],
    )


def _phases(world: World) -> Iterator[Record]:
    early = 300 if world.way("proof") == 5 and world.fault != "none" else RECOVERY - FAULT  # over before the hit
    cuts: dict[Name, tuple[int, int]] = {"baseline": (BASELINE, FAULT), "fault": (FAULT, FAULT + early)}
    cuts |= {"recovery": (FAULT + early, COOLDOWN), "cooldown": (COOLDOWN, END)}
    left_out = {0: ("cooldown", "end"), 1: ("recovery", "begin")}.get(world.way("phase-missing") or 0)
    for name, span in cuts.items():
        edges: tuple[tuple[Edge, int], ...] = ("begin", span[0]), ("end", span[1])
        for edge, t in edges:
            if world.way("phase-missing") is None or (name, edge) != left_out:
                yield unchecked(Phase, t=t * MS, name=name, edge=edge)


def _faults(life: Life, world: World) -> Iterator[Record]:
    if not life.dead:
        return
    way = world.way("proof")
    aimed = [f"airflow/{pod.name}" for pod in life.dead]
    aimed += ["airflow/one-more"] if way == 6 else []
    yield _step(HIT - 200, "begin", {"kind": "Selector", "name": f"component={world.fault}"}, aimed=aimed)
    for number, pod in enumerate(life.dead if way != 7 else []):
        yield from _hit(life, world, pod, HIT + APART * number)
    yield _step(RECOVERY - 200, "ended", {})
    undo = world.way("undo")
    if undo != 3:
        expected = replicas(world.stack)
        short = world.way("ready-never") is not None
        ready = {**expected, world.fault: expected[world.fault] - len(life.dead)} if short else expected
        left = ["a packet filter"] if undo == 2 else []
        yield _step(life.undone, "rolled-back", {}, expected=expected, ready=ready, leftovers=left)


def _hit(life: Life, world: World, pod: Pod, t: int) -> Iterator[Record]:
    way = world.way("proof")
    target = {"kind": "Pod", "name": f"airflow/{pod.name}", "uid": pod.uid, "node": pod.node}
    target["component"] = pod.component
    how = {"signal": "SIGTERM" if way == 4 else "SIGKILL", "pids": [] if way == 3 else [7, 8]}
    yield _step(t, "injected", target, **how)
    gone: dict[str, Any] = {"uid_gone": way != 1, "process_gone": True, "process_gone_t": life.gone_at[pod.uid] * MS}
    gone["exit_code"] = {2: 0, 3: None}.get(way if way is not None else -1, 137)
    if way != 0:
        yield _step(t + 2_500, "proved", target, **gone)


def _step(t: int, phase: Step, target: dict[str, Any], **evidence: Any) -> Fault:
    return unchecked(Fault, t=t * MS, id="kill-1", action=ACTION, phase=phase, target=target, evidence=evidence)


def _machine(world: World) -> Iterator[Record]:
    way = world.way("machine")
    rng = random.Random(world.seed)  # noqa: S311
    for t in range(1_000, END, 4_000) if way is not None else ():
        busy = 60.0 if way == 0 and t > HIT else rng.uniform(0, 12)
        yield unchecked(
            Event, t=t * MS, source="node", object="this", what="load", value={"others": busy, "steal": 1.0}
        )


def _left(life: Life, world: World, samples: Samples) -> Iterator[Record]:
    """What the Variable holds once nobody writes it any more, where somebody looks and is answered."""
    way = world.way("not-read-back")
    if way == 0:
        return
    (column,) = (column for series, column in samples.columns.items() if series.write)
    until = END if life.forgets is None else life.forgets
    there = [place for place in np.flatnonzero(column.outcome == OK) if column.t[place] <= until * MS]
    held = f"world-{world.seed}.{there[-1]:08d}" if there else ""
    asked = END - 1_000
    value = {"path": column.path, "asked": asked * MS, **({} if way == 1 else {"value": held})}
    kind: Literal["ok", "info"] = "info" if way == 1 else "ok"
    yield unchecked(Op, t=(asked + 20) * MS, process="prober", f="kept", type=kind, value=value)


def _observers(world: World, recorded: int, marks: int) -> Iterator[Record]:
    """What they say of themselves when they begin and end."""
    prober = world.way("prober")
    unread = world.way("ledger-unread") is not None
    owed = recorded + (10 if prober in (0, 1) else 0)
    said: dict[str, dict[str, Any]] = {
        "watcher": {"still_running": []},
        "ledger": {"marks": marks, "complete": not unread},
        "log reader": {},
        "prober": {"due": owed, "recorded": recorded},
    }
    for who, value in said.items():
        yield watched.probe(10, who, "started")
        if not (who == "watcher" and world.way("lines-missing") == 2):
            yield watched.probe(PROBED_UNTIL if who == "prober" else END - 100, who, "stopped", **value)

"""Records that are odd in themselves: what no harness should have written, and no judge may take for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.worlds.choices import World
from benchmarks.worlds.life import END, HIT
from benchmarks.worlds.sampled import MS
from benchmarks.worlds.unchecked import unchecked
from harness.history import Event, Fault, Mark, Op, Record

COMPLETE, SCHEDULE, FAULT = "evidence.complete", "evidence.schedule", "evidence.fault"
LEDGER = ("tasks.lost", "tasks.duplicated", "tasks.extra_attempts", "tasks.overlapping", "tasks.unknown_attempts")
Odd = Callable[[list[Record]], Iterator[Record]]


def _strange_run(records: list[Record]) -> Iterator[Record]:
    """A task of a run that nobody triggered."""
    first = next(r for r in records if isinstance(r, Mark) and not r.dag)
    yield from records
    yield first.model_copy(update={"dag_run": "nobody's", "ti": "nobody's"})


def _strange_task(records: list[Record]) -> Iterator[Record]:
    """A task that its run does not have."""
    first = next(r for r in records if isinstance(r, Mark) and not r.dag)
    yield from records
    yield first.model_copy(update={"task": "nobody's", "ti": "nobody's"})


def _stray_end(records: list[Record]) -> Iterator[Record]:
    """A task ended that never started, on a host that no other says anything of."""
    first = next(r for r in records if isinstance(r, Mark) and not r.dag and r.mark == "end")
    yield from records
    yield first.model_copy(update={"executor_host": "nowhere", "ti": "nobody's"})


def _early(records: list[Record]) -> Iterator[Record]:
    """A task was at work before its run was asked for."""
    asked = {r.value["dag_run"]: r.t for r in records if isinstance(r, Op) and (r.f, r.type) == ("trigger", "invoke")}
    moved = next(r for r in records if isinstance(r, Mark) and not r.dag and asked[r.dag_run] > 2_000 * MS)
    for record in records:
        yield record.model_copy(update={"t": asked[moved.dag_run] - 500 * MS}) if record is moved else record


def _after_the_end(records: list[Record]) -> Iterator[Record]:
    yield from records
    yield unchecked(Event, t=(END + 500) * MS, source="endpoint", object="x", what="announced", value={})


def _ahead(records: list[Record]) -> Iterator[Record]:
    """A proof tells of what comes after it; where there is none, the beginning of the fault does."""
    phases = {record.phase for record in records if isinstance(record, Fault)}
    for record in records:
        if isinstance(record, Fault) and record.phase == ("proved" if "proved" in phases else "begin"):
            evidence = {**record.evidence, "stopped_t": record.t + 900 * MS}
            yield record.model_copy(update={"evidence": evidence})
        else:
            yield record


def _uncounted(records: list[Record]) -> Iterator[Record]:
    """The prober does not say how many samples were due."""
    return (_said(record, "prober", {}) for record in records)


def _unfinished(records: list[Record]) -> Iterator[Record]:
    """The watcher stopped while parts of it were at work."""
    return (_said(record, "watcher", {"still_running": ["pods"]}) for record in records)


def _said(record: Record, who: str, value: dict[str, Any]) -> Record:
    if isinstance(record, Event) and (record.object, record.what) == (who, "stopped"):
        return record.model_copy(update={"value": value})
    return record


def _nameless(records: list[Record]) -> Iterator[Record]:
    """The record of a hit does not say which pod it was."""
    for record in records:
        if isinstance(record, Fault) and record.phase == "injected":
            yield record.model_copy(update={"target": {k: v for k, v in record.target.items() if k != "uid"}})
        else:
            yield record


def _unplanned(records: list[Record]) -> Iterator[Record]:
    """Something was at work where nothing was to be broken."""
    yield from records
    yield unchecked(Fault, t=HIT * MS, id="x", action="kill_pods", phase="begin", target={}, evidence={})


def _unwatched(records: list[Record]) -> Iterator[Record]:
    """Nobody watched one of the pods."""
    pods = [r for r in records if isinstance(r, Event) and r.source == "pod" and r.value["component"] == "ingress"]
    return (r for r in records if not (isinstance(r, Event) and r.source == "pod" and r.uid == pods[0].uid))


# What is odd, the checks that it makes INVALID, and those that may be; under a fault, without one, or either way.
ODD: tuple[tuple[Odd, tuple[str, ...], tuple[str, ...], tuple[bool, ...]], ...] = (
    (_strange_run, (COMPLETE,), LEDGER, (True, False)),
    (_strange_task, (), (COMPLETE, *LEDGER), (True, False)),
    (_stray_end, (), (COMPLETE, *LEDGER), (True, False)),
    (_early, (COMPLETE,), LEDGER, (True, False)),
    (_after_the_end, (COMPLETE,), (), (True, False)),
    (_ahead, (COMPLETE,), (FAULT,), (True,)),
    (_uncounted, (SCHEDULE,), ("availability.write.kept",), (True, False)),
    (_unfinished, (COMPLETE,), (), (True, False)),
    (_nameless, (FAULT,), ("recovery.", "rollback.", "collateral."), (True,)),
    (_unplanned, (FAULT,), (), (False,)),
    (_unwatched, (FAULT,), ("healthy.", "redundancy."), (False,)),
)


SAID = (_uncounted, _unfinished)  # what observers say in the end


def changed(records: list[Record], world: World, *, said: bool) -> list[Record]:
    """The records with what is odd in them; or in what observers `said` of all others."""
    if (odd := _of(world)) is None or (odd[0] in SAID) is not said:
        return records
    return list(odd[0](records))


def broken(world: World) -> tuple[str, ...]:
    """The checks that may be FAIL by it: what the ledger shows was there, whoever else does not know of it."""
    odd = _of(world)
    if odd and odd[0] is _unwatched:  # of two, one was ever seen: by the record it is alone
        return ("redundancy.ingress",)
    return (*LEDGER, "redundancy.workers") if odd and odd[0] in (_strange_task, _stray_end) else ()


def strange(world: World) -> bool:
    """Whether the ledger shows a task at work that nobody asked for."""
    odd = _of(world)
    return odd is not None and odd[0] in (_strange_run, _strange_task)


def invalid(way: int, planned: bool) -> list[str]:
    """The checks that must be INVALID by it."""
    return list(ODD[way][1]) if planned in ODD[way][3] else []


def doubted(way: int, planned: bool) -> tuple[str, ...]:
    return ODD[way][2] if planned in ODD[way][3] else ()


def _of(world: World) -> tuple[Odd, tuple[str, ...], tuple[str, ...], tuple[bool, ...]] | None:
    way = world.way("odd")
    return None if way is None or (world.fault != "none") not in ODD[way][3] else ODD[way]

"""Bounds: their names, units and origins, as `slo.yaml` gives them.

`slo.yaml` is profile → stack → experiment → bound name → {limit, unit, origin}. A bound under `every`, in place of
an experiment or a stack, holds if a bound of this name is needed and none is closer. The catalogue below
is closed: an unknown name, or another unit, is refused with file and line before anything starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from harness.errors import UsageError
from harness.tables import compose

Sense = Literal["at most", "at least"]
SHARED = "every"
MOST = 1e12  # no limit is larger, in any unit


@dataclass(frozen=True)
class Kind:
    """What a bound of one name means: its unit, and whether it is an upper or a lower limit."""

    unit: str
    sense: Sense
    meaning: str


CATALOGUE: dict[str, Kind] = {
    "availability.read.outage": Kind("s", "at most", "longest outage of any read target"),
    "availability.read.errors": Kind("%", "at most", "share of reads that were not answered well, per target"),
    "availability.write.outage": Kind("s", "at most", "longest outage of any write target"),
    "availability.write.errors": Kind("%", "at most", "share of first tries of a write not answered well, per target"),
    "availability.read.latency": Kind("s", "at most", "due → end of a read, kept for 90 % of the time by each target"),
    "availability.write.latency": Kind("s", "at most", "due → end of a write, kept for 90 % of the time, per target"),
    "availability.write.kept": Kind("count", "at most", "acknowledged writes that are not there in the end"),
    "availability.read.stale": Kind("count", "at most", "accepted runs that others cannot see after 2 s, or no longer"),
    "availability.stream.broken": Kind("count", "at most", "answers that stay open until a run ends, and broke off"),
    "evidence.samples": Kind("count", "at least", "samples per target and connection kind after the fault began"),
    "evidence.finished_runs": Kind("count", "at least", "DAG runs that ended in success"),
    "evidence.late_samples": Kind("%", "at most", "samples started later than one probe interval after they were due"),
    "tasks.lost": Kind("count", "at most", "accepted DAG runs that did not end in success, and tasks that never ended"),
    "tasks.duplicated": Kind("count", "at most", "tasks finished more than once"),
    "tasks.extra_attempts": Kind("count", "at most", "attempts started beyond one per task"),
    "tasks.overlapping": Kind("count", "at most", "tasks of which two attempts ran at the same time"),
    "tasks.unknown_attempts": Kind("count", "at most", "attempts that Airflow's own record does not know"),
    "callbacks.doubled": Kind("count", "at most", "times beyond one that a run's end, or missed deadline, was told"),
    "callbacks.lost": Kind("count", "at most", "ends and missed deadlines of scheduled runs that were never told"),
    "schedule.missed": Kind("count", "at most", "scheduled runs that were due and never made, or never done"),
    "schedule.extra": Kind("count", "at most", "scheduled runs that nothing called for"),
    "schedule.doubled": Kind("count", "at most", "tasks of scheduled runs that finished more than once"),
    "schedule.late": Kind("s", "at most", "due → start of a scheduled run's first task, the worst"),
    "schedule.order": Kind(
        "count", "at most", "runs that did not begin in their turn, of a DAG that may have one at work"
    ),
    "schedule.overlap": Kind("count", "at most", "runs that began beside another of a DAG that may have one at work"),
    "schedule.caught_up": Kind("s", "at most", "fault → nothing that is due waits any more"),
    "pools.exceeded": Kind("count", "at most", "attempts that began while no slot of their pool was left"),
    "assets.unconsumed": Kind("count", "at most", "updates of assets that no run was made for"),
    "assets.consumed_twice": Kind("count", "at most", "updates that two runs were made for, and runs for none"),
    "deferred.lost": Kind("count", "at most", "scheduled tasks that waited for a trigger and never went on"),
    "tasks.extra_pods": Kind("count", "at most", "pods made beyond one per attempt of a task"),
    "tasks.left_pods": Kind("count", "at most", "pods of tasks still there 30 s after they were over"),
    "tasks.survival": Kind("s", "at least", "last api-server gone → end of the first task that died for want of one"),
    "tasks.run_duration": Kind("s", "at most", "longest time from an accepted trigger to the success of its run"),
    "recovery.process_gone": Kind("s", "at most", "fault → old process gone"),
    "recovery.replacement_ready": Kind("s", "at most", "fault → as many replacements Ready as were killed"),
    "recovery.first_heartbeat": Kind("s", "at most", "fault → first heartbeat of a new scheduler"),
    "recovery.first_new_task": Kind("s", "at most", "fault → start of the first task of a run triggered after it"),
    "recovery.orphans_handled": Kind("s", "at most", "fault → dead schedulers' tasks adopted or reset"),
    "recovery.last_delayed_run": Kind("s", "at most", "fault → success of the last run that was in flight"),
    "recovery.waiting_begun": Kind("s", "at most", "fault → start of the last run that had waited in the queue"),
    "recovery.dag_seen": Kind("s", "at most", "fault → a run is made of a DAG that its file had only after the fault"),
    "recovery.workers_consume": Kind(
        "s", "at most", "fault → each worker has begun a task of a run triggered after it"
    ),
    "recovery.database_writable": Kind("s", "at most", "fault on the primary → first write accepted through Airflow"),
    "recovery.broker_writable": Kind("s", "at most", "fault on the primary → first write kept by a primary"),
    "database.two_primaries": Kind("count", "at most", "pairs of servers that took writes at the same time"),
    "database.primary_changes": Kind("count", "at most", "times that another server became the primary"),
    "database.lost_writes": Kind("count", "at most", "accepted triggers whose run is not there in the end"),
    "broker.primary_changes": Kind("count", "at most", "times that another server became the primary"),
    "collateral.restarts": Kind("count", "at most", "restarts of pods that no fault hit, from the fault to the end"),
    "redundancy.webservers": Kind("s", "at most", "longest that a Ready api-server served none of our requests"),
    "redundancy.ingress": Kind("s", "at most", "longest that a Ready ingress controller passed on no request of ours"),
    "redundancy.schedulers": Kind("s", "at most", "longest that a Ready scheduler worked on none of our runs"),
    "redundancy.workers": Kind("s", "at most", "longest that a Ready worker was at work on none of our tasks"),
    "redundancy.triggerers": Kind("s", "at most", "longest that a Ready triggerer took none of our deferred tasks"),
    "redundancy.peers": Kind("count", "at least", "other pods of its kind that are Ready when one is hit, the fewest"),
    "redundancy.spread": Kind("count", "at most", "components of which all pods are on one node"),
    "disruption.refused": Kind("count", "at least", "evictions that the disruption budget refused"),
    "disruption.abrupt": Kind("count", "at most", "schedulers asked to go that did not end their own job"),
    "disruption.blocked": Kind("count", "at most", "pods that a disruption budget never let go from a drained node"),
    "disruption.ready": Kind("count", "at least", "fewest pods Ready at once of a component that was hit"),
    "scaling.gain": Kind("times", "at least", "throughput at its best level over that at the least"),
    "scaling.out": Kind("s", "at most", "load → a pod more than before is Ready"),
    "scaling.backlog": Kind("s", "at most", "load → the first task of the last of its runs has begun"),
    "scaling.in": Kind("s", "at most", "end of the load → as many pods as before"),
    "upgrade.migrated": Kind("s", "at most", "new image → the database has the revision of the new release"),
    "upgrade.complete": Kind("s", "at most", "new image → every pod runs the new release, and each api-server says so"),
    "restore.rpo_tasks": Kind(
        "count", "at most", "accepted runs that are gone after a restore, and finished tasks that it runs again"
    ),
    "restore.rto": Kind("s", "at most", "database lost → first write accepted by the restored one"),
    "rollback.time": Kind("s", "at most", "fault → cluster as it was before"),
}


@dataclass(frozen=True)
class Bound:
    """One limit of a service level objective, with its origin."""

    name: str
    limit: float
    unit: str
    origin: str

    @property
    def sense(self) -> Sense:
        return CATALOGUE[self.name].sense

    def holds(self, measure: float) -> bool:
        """Whether the measure is within the bound."""
        return measure <= self.limit if self.sense == "at most" else measure >= self.limit

    def to_json(self) -> dict[str, Any]:
        return {"limit": self.limit, "unit": self.unit, "origin": self.origin}


def bound_of(name: str, raw: Any, where: str) -> Bound:
    """A bound as a file or a history gives it. Raises `UsageError` naming `where`."""
    kind = CATALOGUE.get(name)
    if kind is None:
        raise UsageError(f"{where}: no bound is called {name!r}; known are: {', '.join(sorted(CATALOGUE))}")
    if not isinstance(raw, dict):
        raise UsageError(f"{where}: bound {name} must have limit, unit and origin")
    limit, unit, origin = raw.get("limit"), raw.get("unit"), raw.get("origin")
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 <= limit <= MOST:
        raise UsageError(f"{where}: bound {name} needs a limit that is a number from 0 to {MOST:g}")
    if unit != kind.unit:
        raise UsageError(f"{where}: bound {name} is measured in {kind.unit!r}, not in {unit!r}")
    if not isinstance(origin, str) or not origin.strip():
        raise UsageError(f"{where}: bound {name} does not say where it comes from; give it an origin")
    return Bound(name, float(limit), unit, origin)


def load(path: Path, profile: str, stack: str, experiment: str, required: frozenset[str]) -> dict[str, Bound]:
    """The bounds of one experiment. Raises `UsageError` with file and line if one is missing or wrong."""
    root = _root(path)
    node = _table(path, root, (profile, stack, experiment))
    shared = [
        (key, value)
        for keys in ((profile,), (profile, stack))
        for key, value in _shared(path, root, keys)
        if str(key.value) in required
    ]
    bounds: dict[str, Bound] = {}
    for key, value in (*shared, *node.value):
        where = f"{path.name}:{key.start_mark.line + 1}"
        name = str(key.value)
        bounds[name] = bound_of(name, _value(value, where), where)
    missing = sorted(required - bounds.keys())
    if missing:
        where = f"{path.name}:{node.start_mark.line + 1}"
        raise UsageError(f"{where}: {experiment} on {stack} has no bound {missing[0]}; add it with limit, unit, origin")
    return bounds


def changed(path: Path, then: Mapping[str, Mapping[str, Any]], stack: str, experiment: str) -> dict[str, str]:
    """The bounds of a run that are different in today's `slo.yaml`, and how.

    `stack` is as in a history: with the profile appended, unless that is tuned.
    """
    profile, short = _profile(stack)
    now = {name: _today(path, profile, short, experiment, name) for name in then}
    return {
        name: f"{bound.limit:g} {bound.unit} today" if bound else "none today"
        for name, bound in now.items()
        if bound is None or then[name].get("limit") != bound.limit
    }


def own(path: Path, stack: str, experiment: str) -> frozenset[str]:
    """The names of the bounds that `slo.yaml` gives to this experiment itself; none if it does not know it."""
    try:
        return frozenset(_names(_table(path, _root(path), (*_profile(stack), experiment))))
    except UsageError:
        return frozenset()


def _profile(stack: str) -> tuple[str, str]:
    """The profile and the stack, from a stack as a history names it."""
    short = stack.removesuffix("-defaults")
    return ("tuned" if short == stack else "defaults"), short


def _today(path: Path, profile: str, stack: str, experiment: str, name: str) -> Bound | None:
    try:
        return load(path, profile, stack, experiment, frozenset({name})).get(name)
    except UsageError:
        return None


def shared(path: Path, profile: str, stack: str) -> frozenset[str]:
    """The names of the bounds that hold for every experiment of a stack, unless it has its own."""
    root = _root(path)
    return frozenset(str(key.value) for keys in ((profile,), (profile, stack)) for key, _ in _shared(path, root, keys))


def every(path: Path, profile: str, stack: str = "") -> dict[str, Bound]:
    """The bounds that hold for every experiment of a profile, or of one of its stacks, unless it has its own."""
    found = _shared(path, _root(path), (profile, stack) if stack else (profile,))
    return {
        str(key.value): bound_of(str(key.value), _value(value, where), where)
        for key, value in found
        for where in [f"{path.name}:{key.start_mark.line + 1}"]
    }


def stacks(path: Path, profile: str, experiment: str | None = None) -> list[str]:
    """The stacks that have bounds for this experiment, or for any."""
    root = _root(path)
    names = [name for name in _names(_table(path, root, (profile,))) if name != SHARED]
    return [name for name in names if experiment is None or experiment in _names(_table(path, root, (profile, name)))]


def _names(table: yaml.MappingNode) -> list[str]:
    return [str(key.value) for key, _ in table.value]


def _root(path: Path) -> yaml.Node:
    try:
        root = compose(path)
    except FileNotFoundError as cause:
        raise UsageError(f"{path.name}, which holds the bounds, does not exist") from cause
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(f"{path.name}:1: expected profiles → stacks → experiments → bounds")
    return root


def _value(node: yaml.Node, where: str) -> Any:
    """The value of a node. Raises `UsageError` if it is tagged as something that it is not, or contains itself."""
    try:
        return yaml.safe_load(yaml.serialize(node))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as cause:
        raise UsageError(f"{where}: not a value that YAML knows") from cause


def _shared(path: Path, root: yaml.Node, keys: tuple[str, ...]) -> list[tuple[yaml.Node, yaml.Node]]:
    """Names and bounds that hold for every experiment of a stack, or of all stacks; nothing if the file has none."""
    return _table(path, root, (*keys, SHARED)).value if SHARED in _names(_table(path, root, keys)) else []


def _table(path: Path, root: yaml.Node, keys: tuple[str, ...]) -> yaml.MappingNode:
    node = root
    for depth, wanted in enumerate(keys):
        entries = {str(k.value): v for k, v in node.value} if isinstance(node, yaml.MappingNode) else {}
        if wanted not in entries:
            what = ("profile", "stack", "experiment")[depth]
            line = node.start_mark.line + 1
            known = ", ".join(name for name in entries if name != SHARED) or "nothing"
            raise UsageError(f"{path.name}:{line}: no {what} {wanted!r}; there is: {known}")
        node = entries[wanted]
    if not isinstance(node, yaml.MappingNode):
        raise UsageError(f"{path.name}:{node.start_mark.line + 1}: {'/'.join(keys)} must be a table of bounds")
    return node

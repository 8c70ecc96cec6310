"""Faults of other kinds than a kill: the same pods go, but another way, with a proof of its own that holds or does not.

Where pods are asked to go, it may cost something of its own: schedulers that do not take their leave, evictions that a
budget refuses, too few pods Ready at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.worlds.choices import World
from benchmarks.worlds.life import END, HIT, Life, Pod
from benchmarks.worlds.sampled import MS
from benchmarks.worlds.unchecked import unchecked
from harness.history import Event, Fault, Record
from harness.outcome import Verdict

PASS, INVALID, FAIL = Verdict.PASS, Verdict.INVALID, Verdict.FAIL
REFUSED, ABRUPT, BLOCKED, READY = (f"disruption.{name}" for name in ("refused", "abrupt", "blocked", "ready"))
COMPARED = 400  # milliseconds: pods that change so near to each other may be seen in another order


@dataclass(frozen=True)
class Kind:
    """An action; what its hit and its proof say besides; whether they prove it, and whether its node says so too."""

    action: str
    hit: dict[str, Any] = field(default_factory=dict)
    proof: dict[str, Any] = field(default_factory=dict)
    proved: bool = True
    spares: bool = False  # it ends no pod, so that those that went did so by themselves
    node_away: bool = False


KINDS = (
    Kind("delete_pods", {"signal": "SIGTERM"}, {"exit_code": 0}),
    Kind("evict_pods", {"eviction": 201}, {"exit_code": 143}),
    Kind("drain_node", {"eviction": 201}, {"exit_code": 143}),
    Kind("stop_node", {}, {"node_off": True}, node_away=True),
    Kind("cut_off", {}, {"dropped_packets": 7}, spares=True),
    Kind("close_nodes", {}, {"without_node_s": 2.5}),
    Kind("delete_pods", {}, {"exit_code": "0"}, proved=False),
    Kind("delete_pods", {"pids": []}, {"exit_code": None, "process_gone": False}, proved=False),
    Kind("stop_node", {}, {"node_off": False}, proved=False, node_away=True),
    Kind("stop_node", {}, {"node_off": True}, proved=False),
    Kind("cut_off", {}, {"dropped_packets": 0}, proved=False),
    Kind("close_nodes", {}, {"without_node_s": 0}, proved=False),
    Kind("hang_pods", {"signal": "SIGSTOP"}, {"stopped": False}, proved=False),
    Kind("hang_pods", {"signal": "SIGINT"}, {"stopped": True}, proved=False),
    Kind("crash_pods", {}, {"process_gone": False}, proved=False),
    Kind("kill_child", {}, {"task_instance": "nobody's"}, proved=False),
    Kind("overload", {}, {"queue_time_s": None}, proved=False),
    Kind("overload", {}, {"queue_time_s": 500.0, "since": HIT * MS, "until": HIT * MS + MS}, proved=False),
)
ASKED = frozenset({"delete_pods", "evict_pods", "drain_node"})


def kind(world: World) -> Kind | None:
    way = world.way("kind")
    unfit = world.fault == "none" or world.way("proof") is not None  # that is about a kill
    return None if way is None or unfit else KINDS[way]


def leave(life: Life, world: World) -> None:
    """Schedulers that take their leave end their own job: all of them, or all but one."""
    way, jobs = world.way("leave"), [job for job in life.jobs if job.states[-1][1] == "failed" and job.begun < HIT]
    asked = kind(world)
    if way is not None and asked and asked.action in ASKED:
        for job in jobs[way:]:
            job.states[-1] = (job.states[-1][0], "success")


def changed(records: list[Record], life: Life, world: World) -> Iterator[Record]:
    """The records of a fault as those of its kind."""
    made = kind(world)
    for record in records:
        if made is None or not isinstance(record, Fault):
            yield record
            continue
        evidence = dict(record.evidence)
        if record.phase in ("injected", "proved"):
            evidence |= made.hit if record.phase == "injected" else {**made.proof, "node": record.target.get("node")}
        yield record.model_copy(update={"action": made.action, "evidence": evidence})
    if made and made.node_away:
        for node in sorted({pod.node for pod in life.dead}):
            for t, what in ((HIT + 1_200, "not-ready"), (HIT + 9_000, "ready")):
                yield unchecked(Event, t=t * MS, source="node", object=node, what=what, value={})
    if made and made.action in ("evict_pods", "drain_node") and (way := world.way("refused")) is not None:
        for number in range(1 + way):
            yield _refusal(made.action, f"airflow/{life.dead[0].name}" if number == 0 else "airflow/stays")


def _refusal(action: str, name: str) -> Fault:
    target = {"kind": "Pod", "name": name}
    return unchecked(
        Fault, t=(HIT - 50) * MS, id="kill-1", action=action, phase="begin", target=target, evidence={"eviction": 429}
    )


def disruption(life: Life, world: World) -> dict[str, tuple[float, frozenset[Verdict]]]:
    """The limit of each bound of an orderly disruption, and the verdicts that are true of it."""
    made = kind(world)
    if made is None or made.action not in ASKED:
        return {}
    evicts = made.action != "delete_pods"
    way = world.way("refused")
    refused = 0 if way is None or not evicts else 1 + way
    found = {REFUSED: (1.0, _of(None if not evicts else refused >= 1))}
    stays = int(refused == 2)
    found[BLOCKED] = (0.0, _of(None if made.action != "drain_node" else not stays))
    abrupt = sum(j.states[-1][1] != "success" for j in life.jobs if j.begun < HIT)
    found[ABRUPT] = (0.0, _of(None if world.fault != "scheduler" else not abrupt))
    pods = life.of(world.fault)
    least, most = _fewest(pods)
    limit = float(least + (READY in world.tight))
    possible = {PASS if count >= limit else FAIL for count in (least, most)}
    return {**found, READY: (limit, frozenset(possible))}


def _of(kept: bool | None) -> frozenset[Verdict]:
    return frozenset({INVALID if kept is None else PASS if kept else FAIL})


def _fewest(pods: list[Pod]) -> tuple[int, int]:
    """The fewest Ready at once; and as many as are, where changes near to each other are seen in another order."""
    edges = {t for pod in pods for span in pod.ready for t in span if HIT <= t < END - 500} | {HIT}
    counts = [sum(pod.serves(t) for pod in pods) for t in edges]
    blurred = [sum(any(pod.serves(t + d) for d in (-COMPARED, 0, COMPARED)) for pod in pods) for t in edges]
    sharp = [sum(all(pod.serves(t + d) for d in (0, COMPARED)) for pod in pods) for t in edges]
    return min([*counts, *sharp]), min(blurred)

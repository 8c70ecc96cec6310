"""What may an orderly disruption cost? Did the budget refuse what it must, did enough pods stay Ready, and did those
that were asked to go say goodbye?"""

from __future__ import annotations

from harness.history import NS, History
from harness.judge.checks import measured, some, unknown, when, worst_of
from harness.judge.faults import SCHEDULER, fault_time, jobs_before, serves, targets
from harness.judge.observers import JOBS, PODS, blind, unseen
from harness.outcome import Check, Verdict
from harness.slo import Bound

REFUSED = "disruption.refused"
READY = "disruption.ready"
ABRUPT = "disruption.abrupt"
BLOCKED = "disruption.blocked"
DRAIN = "drain_node"
ASKED = frozenset({"delete_pods", "evict_pods", "drain_node", "renew_pods", "rotate_secret", "scale_pods", "upgrade"})
TOOK_ITS_LEAVE = "success"  # a job that another scheduler ends is called failed
TOO_MANY_REQUESTS = 429
# Missing parts of a history cannot change these: they can only hold more refusals, fewer Ready pods, more goodbyes.
SETTLED = {REFUSED: Verdict.PASS, READY: Verdict.FAIL, ABRUPT: Verdict.PASS}


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Judge the bounds that are set; most experiments set none."""
    judges = {REFUSED: _refused, READY: _ready, ABRUPT: _abrupt, BLOCKED: _blocked}
    found = ((judge(history, bounds[name]), bounds[name]) for name, judge in judges.items() if name in bounds)
    return tuple(check if history.problem is None else _cut(check, bound) for check, bound in found)


def _cut(check: Check, bound: Bound) -> Check:
    """For a history that is not whole: what is missing may decide otherwise."""
    if check.verdict in (Verdict.INVALID, SETTLED.get(check.name)):
        return check
    return unknown(bound, "The history is not whole, and what is missing of it may have decided otherwise")


def _refused(history: History, bound: Bound) -> Check:
    """Every answer to an eviction is recorded with its request, so none is missing here."""
    answers = [f for f in history.faults if "eviction" in f.evidence]
    if not answers:
        return unknown(bound, "No eviction was asked for")
    refused = [f for f in answers if f.evidence["eviction"] == TOO_MANY_REQUESTS]
    first = f", the first {when(refused[0].t, fault_time(history))}" if refused else ""
    return measured(bound, len(refused), f"Of {len(answers)} evictions asked for, the budget refused", first)


def _ready(history: History, bound: Bound) -> Check:
    t = fault_time(history)
    if t is None:
        return unknown(bound, "There was no fault")
    components = {target.component for target in targets(history)} - _alone(history)
    if not components:
        return unknown(bound, "Nothing was hit that has more than one pod")
    return worst_of(_fewest(history, bound, t, component) for component in sorted(components))


def _blocked(history: History, bound: Bound) -> Check:
    """A drain asks again and again; a pod that a budget refuses to the end keeps its node in service for ever."""
    steps = [f for f in history.faults if f.action == DRAIN]
    if not any("aimed" in f.evidence for f in steps):
        return unknown(bound, "No node was drained, or it is not known of which pods")
    refused = {f.target.get("name") for f in steps if f.evidence.get("eviction") == TOO_MANY_REQUESTS}
    gone = {f.target.get("name") for f in steps if f.phase == "injected"}
    blocked = sorted(str(name) for name in refused - gone)
    names = f" ({some(blocked)})" if blocked else ""
    return measured(bound, len(blocked), "Pods that a disruption budget never let go from the node:", names)


def _abrupt(history: History, bound: Bound) -> Check:
    """A scheduler that is asked to go ends its own job and hands over its work. If it has no time for that, the others
    have to find out, and call its job failed."""
    asked = [target for target in targets(history) if target.action in ASKED and target.component == SCHEDULER]
    if not asked:
        return unknown(bound, "No scheduler was asked to go")
    jobs = {host: job for job, host in jobs_before(history, min(target.injected for target in asked)).items()}
    last = {e.object: e.value.get("state") for e in history.seen("job")}
    if strange := sorted(target.name for target in asked if target.pod not in jobs):
        return unknown(bound, f"No job of {some(strange)} was seen before it was asked to go")
    abrupt = sorted(target.name for target in asked if last[jobs[target.pod]] != TOOK_ITS_LEAVE)
    if abrupt and blind(history, JOBS[1], min(target.injected for target in asked)):
        return unknown(bound, f"Jobs could not be followed, and {some(abrupt)} may have ended its own")
    names = f" ({some(abrupt)})" if abrupt else ""
    return measured(
        bound, len(abrupt), f"Of {len(asked)} schedulers asked to go, those that did not end their own job:", names
    )


def _alone(history: History) -> set[str]:
    """Components with a single pod, which no budget protects; not the one that the experiment is about."""
    meta = history.meta
    return {name for name, pods in meta.replicas.items() if pods == 1} - {meta.component} if meta else set()


def _fewest(history: History, bound: Bound, t: int, component: str) -> Check:
    """The fewest pods of a component that were Ready, and not on their way out, at any moment since the fault."""
    ready: set[str | None] = set()
    fewest: tuple[int, int] | None = None
    events = [e for e in history.seen("pod") if e.value.get("component") == component]
    for event in events:
        if event.t > t and fewest is None:
            fewest = (len(ready), t)
        (ready.add if serves(event) else ready.discard)(event.uid)
        if fewest is not None and len(ready) < fewest[0]:
            fewest = (len(ready), event.t)
    if fewest is None:
        return unknown(bound, f"No pod of {component} was seen to change after the fault")
    count, at = fewest
    found = measured(bound, count, f"The fewest {component} pods Ready at once were", f", {at / NS:.1f} s into the run")
    hidden = any(a <= at <= b + NS for a, b in unseen(history, PODS, t, history.last_t))
    if hidden and found.verdict is Verdict.FAIL:
        return unknown(bound, f"The fewest were counted {when(at, t)}, when pods could not be followed")
    gap = blind(history, "pods of", t)
    if gap and found.verdict is Verdict.PASS:
        seconds = (gap[1] - gap[0]) / NS
        return unknown(bound, f"Pods could not be followed for {seconds:.1f} s, in which fewer may have been Ready")
    return found

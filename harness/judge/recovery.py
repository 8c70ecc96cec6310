"""How long after the fault did each phase of the recovery come? Every phase is a window [fault, fault + time)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from harness.history import NS, Event, History, Mark, grouped
from harness.judge.came import Coming, judged
from harness.judge.checks import broken, some, unknown, when, worst_of
from harness.judge.faults import WORKER, Target, by_keda, jobs_before, serves, targets
from harness.judge.happened import doubts
from harness.judge.observers import JOBS, MARKS, PODS, RUNS
from harness.judge.replaced import Toll, UnknowableError
from harness.judge.runs import Run, Task, first_starts, runs
from harness.judge.stayed import beating, running_again, short
from harness.outcome import Check, Verdict
from harness.slo import Bound

WAITED_NS = 3 * NS  # an append-only file may lack its last second; and a scheduler takes one to send a task
FEWEST_WAITING = 2
LATE = "late"  # the process and the observer of the DAG that is added after the fault
PUT_WITHIN_NS = 5 * NS
OWN = frozenset({"recovery.process_gone", "recovery.replacement_ready"})  # about each target, not about the stack


class _NeverError(Exception):
    """The phase did not come while the history lasted; the message says of whom."""


class _FailedError(Exception):
    """The phase was seen to be no longer possible; the message says of whom."""


@dataclass(frozen=True)
class _Stage:
    """What all scenes of a run share."""

    history: History
    doubtful: tuple[str, ...]

    @cached_property
    def hit(self) -> tuple[Target, ...]:
        return targets(self.history)

    @cached_property
    def tolls(self) -> dict[str, Toll]:
        return {component: Toll.of(self.history, component) for component in {t.component for t in self.hit}}


@dataclass(frozen=True)
class _Scene:
    """The fault at `t`, what it hit, and when the bound in question runs out."""

    stage: _Stage
    t: int
    hit: tuple[Target, ...]
    deadline: float

    @property
    def history(self) -> History:
        return self.stage.history

    def jobs(self) -> tuple[Event, ...]:
        return self.history.seen("job")


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Judge the phases that have a bound."""
    stage = _Stage(history, doubts(history))
    return tuple(_of_all(stage, bounds[name]) for name in _PHASES if name in bounds)


def _of_all(stage: _Stage, bound: Bound) -> Check:
    """From when the first target was hit. A bound about each target's own end counts from its own hit, and the worst is
    taken."""
    if not stage.hit:
        return unknown(bound, "There was no fault to recover from")
    together = grouped(stage.hit, lambda target: target.injected)
    first = min(together)
    if bound.name not in OWN:
        return _judge(_Scene(stage, first, stage.hit, first + bound.limit * NS), bound)
    scenes = [_Scene(stage, t, hit, t + bound.limit * NS) for t, hit in sorted(together.items())]
    return worst_of(_judge(scene, bound) for scene in scenes)


def _judge(scene: _Scene, bound: Bound) -> Check:
    """A phase that never came is a failure once its bound has run out, if the fault is proved and the history whole.

    One that came must last to the end.
    """
    history, doubtful, t = scene.history, scene.stage.doubtful, scene.t
    what, find, observer = _PHASES[bound.name]
    try:
        came = find(scene)
    except UnknowableError as why:
        return unknown(bound, f"{what}: {why}")
    except _FailedError as whose:
        came, what, observer = None, f"{what} ({whose})", None
    except _NeverError as whose:
        came, what = None, f"{what} ({whose})"
    if came is None and (doubtful or history.problem is not None):
        return unknown(bound, f"{what}: never seen, but {doubtful[0] if doubtful else 'the history is not whole'}")
    cause = "the fault" if t == scene.stage.hit[0].injected else "its own hit"
    after = f" after {cause} ({when(t if came is None else came, None)})"
    found = judged(history, bound, Coming(what, t, came, observer), after)
    if came is not None and not doubtful and found.verdict is Verdict.PASS and (lost := _lost(scene, bound.name, came)):
        return broken(bound, f"{what} came {when(came, t)}, and did not stay: {lost}")
    return found


def _lost(scene: _Scene, name: str, came: int) -> str | None:
    """Why what had recovered at `came` did not stay so to the end, or None if nothing says so."""
    if scene.history.problem is not None:
        return None
    if name == "recovery.replacement_ready":
        return _replacements_lost(scene, came)
    if name == "recovery.first_heartbeat":
        return beating(scene.history, jobs_before(scene.history, scene.t))
    if name == "recovery.orphans_handled":
        return running_again(scene.history, _dead(scene), scene.t)
    return None


def _replacements_lost(scene: _Scene, came: int) -> str | None:
    """If more of a component is killed later, that hit tells. KEDA removes workers that it had added."""
    history = scene.history
    later = {component for component, toll in scene.stage.tolls.items() if toll.killed[-1].injected > scene.t}
    for component in sorted({target.component for target in scene.hit} - later - by_keda(history)):
        toll = scene.stage.tolls[component]
        if why := short(history, component, toll.count(scene.t), came, without=toll.no_replacements(scene.t)):
            return why
    return None


def _process_gone(scene: _Scene) -> int | None:
    if any(target.stays for target in scene.hit):
        return None
    unproved = [target.name for target in scene.hit if target.gone is None]
    if unproved:
        raise UnknowableError(f"nothing proves that {some(unproved)} went")
    return max(target.gone for target in scene.hit if target.gone is not None)


def _replacement_ready(scene: _Scene) -> int | None:
    components = {target.component for target in scene.hit}
    came = [t for component in components if (t := scene.stage.tolls[component].replaced(scene.t)) is not None]
    return max(came) if len(came) == len(components) else None


def _first_heartbeat(scene: _Scene) -> int | None:
    old = jobs_before(scene.history, scene.t)
    if not old:
        raise UnknowableError("no scheduler job was seen before the fault, so old and new cannot be told apart")
    return min((e.t for e in scene.jobs() if e.what == "heartbeat" and e.object not in old), default=None)


def _first_new_task(scene: _Scene) -> int | None:
    return min((mark.t for mark in _new_tasks(scene)), default=None)


def _workers_consume(scene: _Scene) -> int | None:
    """A worker that is up but takes no work is one that no start mark names, while its peers do all of it."""
    last = {e.uid: e for e in scene.history.seen("pod") if e.value.get("component") == WORKER}
    workers = {e.object.rsplit("/", 1)[-1] for e in last.values() if serves(e)}
    if not workers:
        raise UnknowableError("no worker was Ready at the end")
    first = first_starts(_new_tasks(scene), lambda mark: mark.executor_host)
    if idle := sorted(workers - first.keys()):
        raise _NeverError(f"{some(idle)} did not begin any")
    return max(first[worker] for worker in workers)


def _new_tasks(scene: _Scene) -> list[Mark]:
    """The starts of tasks of runs that were triggered after the fault."""
    late = [
        r
        for r in scene.history.once(runs).values()
        if r.invoked > scene.t and r.answer != "fail" and r.tasks != frozenset()
    ]
    if not late:
        raise UnknowableError("no run with tasks was triggered after the fault")
    if min(r.invoked for r in late) > scene.deadline:
        raise UnknowableError("the first run after the fault was triggered only after the bound had run out")
    names = {r.dag_run for r in late}
    return [mark for mark in scene.history.marks if mark.mark == "start" and mark.dag_run in names]


def _waiting_begun(scene: _Scene) -> int | None:
    """A run accepted some time before the fault and not begun was waiting in the queue: it must still begin."""
    first = first_starts(scene.history.marks, lambda mark: mark.dag_run)
    early = [
        r for r in scene.history.once(runs).values() if r.tasks and r.answered and r.answered <= scene.t - WAITED_NS
    ]
    waiting = [r.dag_run for r in early if r.accepted and first.get(r.dag_run, scene.t + 1) > scene.t]
    if len(waiting) < FEWEST_WAITING:
        raise UnknowableError(f"{len(waiting)} runs waited in the queue, of {FEWEST_WAITING} at least")
    if left := sorted(set(waiting) - first.keys()):
        raise _NeverError(f"{some(left)} did not begin")
    return max(first[run] for run in waiting)


def _dag_seen(scene: _Scene) -> int | None:
    """DAGs that were read before stay in the database, so only a new one shows that files are read."""
    ops = [op for op in scene.history.ops if op.process == LATE and op.type == "ok"]
    put = min((op.t for op in ops if op.f == "put"), default=None)
    if put is None or not scene.t < put <= scene.t + PUT_WITHIN_NS:
        raise UnknowableError(f"no DAG was put there in the {PUT_WITHIN_NS // NS} s after the fault")
    return min((op.t for op in ops if op.f == "seen" and op.t >= put), default=None)


def _orphans_handled(scene: _Scene) -> int | None:
    dead = _dead(scene)
    if not dead:
        raise UnknowableError("no job of a killed scheduler was seen running before the fault")
    over = [e for e in scene.jobs() if e.t > scene.t and e.value.get("state") != "running"]
    ends = {e.object: e.t for e in reversed(over)}
    return max(ends[job] for job in dead) if ends.keys() >= set(dead) else None


def _dead(scene: _Scene) -> list[str]:
    """The jobs of what was hit that were running when last seen before the fault."""
    pods = {target.pod for target in scene.hit}
    before = [e for e in scene.jobs() if e.t <= scene.t and e.value.get("hostname") in pods]
    last = {e.object: e.value.get("state") for e in before}
    return [job for job, state in last.items() if state == "running"]


def _last_delayed_run(scene: _Scene) -> int | None:
    asked = [r for r in scene.history.once(runs).values() if r.accepted and r.invoked <= scene.t]
    marks = scene.history.marks
    done = {Task(m.dag_run, m.task, m.map_index) for m in marks if m.mark == "end" and m.t <= scene.t}
    flying = [r for r in asked if _in_flight(r, scene.t, done)]
    if not flying:
        raise UnknowableError("no run was in flight at the fault")
    delayed = flying + [r for r in asked if _asked_for(r, scene.t)]
    if failed := [r.dag_run for r in delayed if r.state == "failed"]:
        raise _FailedError(f"{some(failed)} failed")
    if any(r.state == "unknown" for r in delayed):
        raise UnknowableError("it is not known how a run in flight at the fault ended")
    if any(r.state != "success" for r in delayed):
        return None
    return max(r.ended for r in delayed if r.ended is not None)


def _in_flight(run: Run, t: int, done: set[Task]) -> bool:
    """Accepted and not done. A run's end is seen a little late, so its last task counts if it is known."""
    if _asked_for(run, t) or (run.ended is not None and run.ended <= t):
        return False
    return not run.tasks or not run.tasks <= done


def _asked_for(run: Run, t: int) -> bool:
    """Whether its trigger was still under way: the fault may delay it, but does not hit its tasks."""
    return run.answered is None or run.answered > t


# What is looked for, how, and by which observer; the end of a process is in the fault's own record.
_PHASES: dict[str, tuple[str, Callable[[_Scene], int | None], tuple[str, str] | None]] = {
    "recovery.process_gone": ("The end of the old process", _process_gone, None),
    "recovery.replacement_ready": ("The last replacement's readiness", _replacement_ready, PODS),
    "recovery.first_heartbeat": ("The first heartbeat of a new scheduler", _first_heartbeat, JOBS),
    "recovery.first_new_task": ("The first task of a run triggered after the fault", _first_new_task, MARKS),
    "recovery.workers_consume": (
        "Each worker's first task of a run triggered after the fault",
        _workers_consume,
        MARKS,
    ),
    "recovery.waiting_begun": ("The first task of the last run that had waited in the queue", _waiting_begun, MARKS),
    "recovery.dag_seen": ("The first run of a DAG that its file had only after the fault", _dag_seen, (LATE, "")),
    "recovery.orphans_handled": ("The adoption or reset of the dead schedulers' tasks", _orphans_handled, JOBS),
    "recovery.last_delayed_run": ("The success of the last run in flight", _last_delayed_run, RUNS),
}

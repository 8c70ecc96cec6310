"""Each kind of fault owes its own proof; with less, or with what speaks against it, it is not believed."""

from __future__ import annotations

from typing import Any

import pytest

from harness.history import Event, Fault, Mark, Phase, Record
from harness.judge.faults import targets
from harness.judge.happened import doubts, outside
from tests.unit.builders import at, job, mark, meta, pod, whole

WORKER = {"kind": "Pod", "name": "airflow/worker-1", "uid": "u1", "node": "n2", "component": "worker"}
SCHEDULER = {"kind": "Pod", "name": "airflow/scheduler-a", "uid": "ua", "node": "n2", "component": "scheduler"}


def step(t: float, action: str, phase: Any, target: dict[str, Any], **evidence: Any) -> Fault:
    return Fault(t=at(t), id="f-1", action=action, phase=phase, target=target, evidence=evidence)


def node(t: float, what: str, name: str = "n2") -> Event:
    return Event(t=at(t), source="node", object=name, uid="node", what=what, value={})


def doubted(action: str, target: dict[str, Any], evidence: dict[str, Any], *more: Record) -> tuple[str, ...]:
    steps = [step(10, action, "injected", target), step(11, action, "proved", target, **evidence)]
    return doubts(whole(sorted([*steps, *more], key=lambda r: r.t)))


def release(version: str, revision: str, image: str) -> dict[str, Any]:
    pods = ["airflow/api-server-1", "airflow/worker-1"]
    said = {"installed": dict.fromkeys(pods, version), "answers": {pods[0]: version}}
    return {"revision": revision, "images": dict.fromkeys(pods, image), **said}


# What each owes stands first.
GOOD: dict[str, dict[str, Any]] = {
    "kill_pods": {"uid_gone": True, "process_gone": True},
    "delete_pods": {"uid_gone": True, "process_gone": True},
    "evict_pods": {"uid_gone": True, "exit_code": 0},
    "crash_pods": {"process_gone": True, "uid_gone": False},
    "hang_pods": {"stopped": True, "process_gone": False},
    "stop_node": {"node_off": True, "node": "n2"},
    "cut_off": {"dropped_packets": 3},
    "kill_child": {"process_gone": True, "uid_gone": False},
    "close_nodes": {"without_node_s": 1.0},
    "rotate_secret": {"carried": True, "uid_gone": True, "process_gone": True},
    "upgrade": {
        "complete_t": at(10.8),
        "migrated_t": at(10.4),
        "image": "airflow:2",
        "before": release("1", "aa", "airflow:1"),
        "after": release("2", "bb", "airflow:2"),
        "uid_gone": True,
        "process_gone": True,
    },
    "a kind that is not known": {"uid_gone": True, "process_gone": True},
}


@pytest.mark.parametrize("action", GOOD)
def test_what_it_owes_is_believed(action: str) -> None:
    at_work = mark(9, "start", host="worker-1")
    assert doubted(action, WORKER, GOOD[action], at_work, node(12, "not-ready")) == ()


@pytest.mark.parametrize("action", GOOD)
@pytest.mark.parametrize("said", [False, None, "yes", 0])
def test_a_proof_that_does_not_say_so_is_none(action: str, said: Any) -> None:
    owed = next(iter(GOOD[action]))
    assert doubted(action, WORKER, {**GOOD[action], owed: said}, node(12, "not-ready"))
    assert doubted(action, WORKER, {}, node(12, "not-ready"))


@pytest.mark.parametrize(
    "marks",
    [
        [],
        [mark(9, "start", host="worker-2")],
        [mark(8, "start", host="worker-1"), mark(9, "end", host="worker-1")],
        [mark(10.5, "start", host="worker-1")],
    ],
    ids=["none", "elsewhere", "over", "too late"],
)
def test_a_process_that_held_no_task_is_no_loss(marks: list[Mark]) -> None:
    (why,) = doubted("kill_child", WORKER, GOOD["kill_child"], *marks)
    assert why.startswith("no task was under way on airflow/worker-1")


def test_a_process_is_known_by_the_attempt_that_it_held() -> None:
    """Another task under way on the same pod is not what it held."""
    good = {**GOOD["kill_child"], "task_instance": "ti-1"}
    mine, other = (mark(9, "start", host="worker-1", ti=f"ti-{number}") for number in (1, 2))
    over = mark(9.5, "end", host="worker-1", ti="ti-1")
    assert doubted("kill_child", WORKER, good, mine) == ()
    for marks in ((other,), (mine, over), (mine, over, other)):
        (why,) = doubted("kill_child", WORKER, good, *marks)
        assert why.startswith("no task was under way on airflow/worker-1")


def test_a_task_that_ends_after_the_kill_was_under_way() -> None:
    marks = [mark(9, "start", host="worker-1"), mark(10.2, "end", host="worker-1")]
    assert doubted("kill_child", WORKER, GOOD["kill_child"], *marks) == ()


def test_what_is_not_counted_was_not_dropped() -> None:
    assert doubted("cut_off", WORKER, {"dropped_packets": True})
    assert doubted("cut_off", WORKER, {"dropped_packets": 1}) == ()


@pytest.mark.parametrize("action", GOOD)
def test_without_a_proof_nothing_is_believed(action: str) -> None:
    assert doubts(whole([step(10, action, "injected", WORKER)])) == ("nothing proves that airflow/worker-1 was hit",)


def test_a_node_that_is_off_must_be_missed_by_the_cluster() -> None:
    assert doubted("stop_node", WORKER, GOOD["stop_node"]) == ("n2 was never seen not Ready after it was off",)
    other = node(12, "not-ready", "n3")
    earlier, ready = node(9, "not-ready"), node(12, "ready")
    assert doubted("stop_node", WORKER, GOOD["stop_node"], earlier, other, ready) != ()
    for t in (10, 50):
        assert doubted("stop_node", WORKER, GOOD["stop_node"], node(t, "not-ready")) == ()


BEATS = [job(t, 1, "scheduler-a") for t in (5.0, 6.0)]
HUNG = {"stopped": True, "stopped_t": at(10.5), "process_gone": False}


def test_a_scheduler_that_hangs_is_silent_until_it_goes_on() -> None:
    over = step(40, "hang_pods", "ended", {})
    assert doubted("hang_pods", SCHEDULER, HUNG, *BEATS, over) == ()
    assert doubted("hang_pods", SCHEDULER, HUNG, *BEATS, over, job(12.4, 1, "scheduler-a")) == ()
    assert doubted("hang_pods", SCHEDULER, HUNG, *BEATS, over, job(41, 1, "scheduler-a")) == ()
    (why,) = doubted("hang_pods", SCHEDULER, HUNG, *BEATS, over, job(20, 1, "scheduler-a"))
    assert "still sent heartbeats 9.5 s after its proof" in why
    assert doubted("hang_pods", SCHEDULER, HUNG, *BEATS, over, job(20, 2, "scheduler-a")) == ()
    assert doubted("hang_pods", SCHEDULER, HUNG, over) != ()


def test_a_scheduler_that_was_killed_is_silent_for_good() -> None:
    late = job(41, 1, "scheduler-a")
    assert doubted("crash_pods", SCHEDULER, GOOD["crash_pods"], *BEATS, step(40, "crash_pods", "ended", {}), late) != ()


def test_a_scheduler_that_is_cut_off_from_one_thing_may_be_heard() -> None:
    assert doubted("cut_off", SCHEDULER, GOOD["cut_off"], *BEATS, job(20, 1, "scheduler-a")) == ()


def test_when_a_hung_process_went_is_not_when_it_was_seen_to_hang() -> None:
    """A kill that says no better is over by its proof; a hang is not, until the process is seen gone."""

    def gone(action: str, **evidence: Any) -> int | None:
        (target,) = targets(
            whole([step(10, action, "injected", WORKER), step(11, action, "proved", WORKER, **evidence)])
        )
        return target.gone

    assert gone("kill_pods", uid_gone=True) == at(11)
    assert gone("kill_pods", process_gone_t=at(10.2)) == at(10.2)
    assert gone("hang_pods", stopped=True) is None
    assert gone("hang_pods", stopped=True, process_gone_t=at(40)) == at(40)
    assert gone("kill_pods", process_gone_t=True) == at(11)


def test_a_pod_that_lives_on_after_its_proof_was_not_killed() -> None:
    alive = pod(20, "worker-1", "u1", component="worker")
    assert doubted("kill_pods", WORKER, GOOD["kill_pods"], alive) != ()
    assert doubted("crash_pods", WORKER, GOOD["crash_pods"], alive) == ()


def staked(
    component: str, target: dict[str, Any], *more: Record, action: str = "kill_pods", stack: str = "celery"
) -> str:
    """Why a fault in an experiment on this component is not believed, in one line; nothing where it is."""
    steps = [step(10, action, "injected", target), step(11, action, "proved", target, **GOOD[action])]
    about = meta(component=component, stack=stack)
    return " and ".join(doubts(whole([about, *sorted([*steps, *more], key=lambda r: r.t)])))


def waits(t: float, host: str, *tasks: str) -> Event:
    value = {"hostname": host, "tasks": list(tasks)}
    return Event(t=at(t), source="job", object=f"TriggererJob/{host}", what="waits", value=value)


@pytest.mark.parametrize("action", ["kill_pods", "delete_pods", "hang_pods", "stop_node", "cut_off"])
def test_a_worker_that_held_no_task_proves_nothing_by_its_death(action: str) -> None:
    """It passed: nothing is lost where there was nothing to lose."""
    away = node(12, "not-ready")
    why = "airflow/worker-1 held no task when the fault came, so nothing was at stake"
    over = (mark(8, "start", host="worker-1"), mark(9, "end", host="worker-1"))
    assert staked("worker", WORKER, away, action=action) == why
    assert staked("worker", WORKER, away, *over, mark(9, "start", host="worker-2"), action=action) == why
    assert staked("worker", WORKER, away, mark(10.5, "start", host="worker-1"), action=action) == why
    assert staked("worker", WORKER, away, mark(9, "start", host="worker-1"), action=action) == ""


def test_what_the_experiment_is_not_about_need_not_hold_a_task() -> None:
    about = {**WORKER, "name": "ingress/skipper-1", "uid": "u2", "component": "ingress"}
    second = [step(10, "kill_pods", "injected", about), step(11, "kill_pods", "proved", about, **GOOD["kill_pods"])]
    assert staked("ingress", WORKER, *second) == ""
    assert staked("worker", WORKER, stack="kubernetes") == ""


def test_one_worker_of_several_that_held_a_task_is_enough() -> None:
    other = {**WORKER, "name": "airflow/worker-2", "uid": "u2"}
    second = [step(10, "kill_pods", "injected", other), step(11, "kill_pods", "proved", other, **GOOD["kill_pods"])]
    assert "airflow/worker-1, airflow/worker-2 held no task" in staked("worker", WORKER, *second)
    assert staked("worker", WORKER, *second, mark(9, "start", host="worker-2")) == ""


def test_a_triggerer_in_which_no_task_waited_proves_nothing_by_its_death() -> None:
    triggerer = {**WORKER, "name": "airflow/triggerer-1", "component": "triggerer"}
    why = "airflow/triggerer-1 held no task when the fault came, so nothing was at stake"
    assert staked("triggerer", triggerer) == why
    assert staked("triggerer", triggerer, waits(9, "triggerer-2", "r/wait")) == why
    assert staked("triggerer", triggerer, waits(8, "triggerer-1", "r/wait"), waits(9, "triggerer-1")) == why
    assert staked("triggerer", triggerer, waits(10.5, "triggerer-1", "r/wait")) == why
    assert staked("triggerer", triggerer, waits(9, "triggerer-1", "r/wait")) == ""
    assert staked("triggerer", triggerer, waits(9, "triggerer-1", "r/wait"), waits(10.5, "triggerer-1")) == ""


def second(*phases: str, **evidence: Any) -> list[Record]:
    return [
        step(10.5 + n / 10, "kill_pods", phase, WORKER if phase == "injected" else {}, **evidence).model_copy(
            update={"id": "f-2"}
        )
        for n, phase in enumerate(phases)
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (second("begin", "ended"), "f-2 hit nothing"),
        (second("begin", "injected", "ended"), "nothing proves that airflow/worker-1 was hit by f-2"),
    ],
)
def test_each_of_several_faults_must_hit_something(more: list[Record], said: str) -> None:
    at_work = mark(9, "start", host="worker-1")
    assert doubted("kill_pods", WORKER, GOOD["kill_pods"], at_work, *more) == (said,)


def test_a_proof_of_what_was_not_hit_is_one_too_many() -> None:
    other = {**WORKER, "name": "airflow/worker-2", "uid": "u2"}
    stray = step(11, "kill_pods", "proved", other, **GOOD["kill_pods"])
    (why,) = doubted("kill_pods", WORKER, GOOD["kill_pods"], mark(9, "start", host="worker-1"), stray)
    assert why == "there is a proof, and no record, that airflow/worker-2 was hit by f-1"


def test_a_fault_that_gives_pods_hits_none() -> None:
    more = second("begin", "ended", replicas=3)
    assert doubted("kill_pods", WORKER, GOOD["kill_pods"], mark(9, "start", host="worker-1"), *more) == ()


def test_what_the_experiment_is_about_must_be_among_what_was_hit() -> None:
    """A drain that was refused the one pod that it was for, and moved another."""
    about = meta(component="scheduler")
    assert doubted("drain_node", WORKER, GOOD["kill_pods"], about) == (
        "no scheduler was hit, which the experiment is about, but airflow/worker-1",
    )
    off = doubted("stop_node", WORKER, GOOD["stop_node"], about, node(12, "not-ready"))
    assert off == ()
    assert doubted("drain_node", WORKER, GOOD["kill_pods"], meta(component="any")) == ()
    nameless = {**WORKER, "component": ""}
    assert doubted("drain_node", nameless, GOOD["kill_pods"], about) == ()


def test_a_task_that_ended_elsewhere_is_not_at_stake() -> None:
    """A deferred task is resumed on any worker: the one that it began on holds it no longer."""
    about = meta(component="worker", stack="celery")
    begun = mark(5, "start", host="worker-1", ti="a")
    over = mark(8, "end", host="worker-2", resumed=True, ti="a")
    assert doubted("kill_pods", WORKER, GOOD["kill_pods"], about, begun) == ()
    assert doubted("kill_pods", WORKER, GOOD["kill_pods"], about, begun, over) == (
        "airflow/worker-1 held no task when the fault came, so nothing was at stake",
    )


@pytest.mark.parametrize(
    ("how", "said", "why"),
    [
        ({}, {"exit_code": 0}, "ended with 0, which is not by SIGKILL"),
        ({}, {"exit_code": 143}, "ended with 143"),
        ({}, {"exit_code": False}, "exit code of airflow/worker-1 is False"),
        ({}, {"exit_code": "137"}, "which is not a number"),
        ({"signal": "SIGTERM"}, {}, "was sent SIGTERM"),
        ({"pids": []}, {}, "had no process to kill"),
        ({"pids": []}, {"exit_code": 137}, "had no process to kill"),
    ],
)
@pytest.mark.parametrize("action", ["kill_pods", "crash_pods"])
def test_a_kill_is_by_sigkill_of_a_process_that_was_there(
    action: str, how: dict[str, Any], said: dict[str, Any], why: str
) -> None:
    steps = [
        mark(9, "start", host="worker-1"),
        step(10, action, "injected", WORKER, **how),
        step(11, action, "proved", WORKER, **GOOD[action], **said),
    ]
    (found,) = doubts(whole(steps))
    assert why in found


@pytest.mark.parametrize("action", ["delete_pods", "evict_pods"])
def test_who_is_asked_to_go_may_end_as_it_likes_but_must_have_been_there(action: str) -> None:
    at_work = mark(9, "start", host="worker-1")
    gone = {"uid_gone": True, "process_gone": True}
    proved = step(11, action, "proved", WORKER, **gone, exit_code=0)
    assert doubts(whole([at_work, step(10, action, "injected", WORKER, pids=[]), proved])) == ()
    unseen = step(11, action, "proved", WORKER, **gone)
    assert doubts(whole([at_work, step(10, action, "injected", WORKER, pids=[]), unseen]))


def test_who_was_aimed_at_must_have_been_hit() -> None:
    aimed = step(9.5, "kill_pods", "begin", {}, aimed=["airflow/worker-1", "airflow/worker-2"])
    (why,) = doubted("kill_pods", WORKER, GOOD["kill_pods"], aimed, mark(9, "start", host="worker-1"))
    assert why == "airflow/worker-2 was aimed at by f-1, and not hit"
    both = step(9.5, "kill_pods", "begin", {}, aimed=["airflow/worker-1"])
    assert doubted("kill_pods", WORKER, GOOD["kill_pods"], both, mark(9, "start", host="worker-1")) == ()


@pytest.mark.parametrize(("action", "answer", "believed"), [
    ("evict_pods", 429, True), ("evict_pods", None, False), ("drain_node", 429, False),
])  # fmt: skip
def test_an_eviction_that_the_budget_refused_was_asked_for_and_a_drain_owes_to_move_all(
    action: str, answer: int | None, believed: bool
) -> None:
    aimed = step(9.5, action, "begin", {}, aimed=["airflow/worker-1", "airflow/worker-2"])
    other = {**WORKER, "name": "airflow/worker-2", "uid": "u2"}
    refused = [step(10, action, "begin", other, eviction=answer)] if answer else []
    found = doubted(action, WORKER, GOOD["evict_pods"], aimed, *refused, mark(9, "start", host="worker-1"))
    assert found == (() if believed else ("airflow/worker-2 was aimed at by f-1, and not hit",))


def test_a_scheduler_that_was_silent_when_it_was_hit_was_not_well() -> None:
    beats = [job(t, 1, "scheduler-a") for t in (1, 2, 3, 4)]
    late = [
        step(25, "kill_pods", "injected", SCHEDULER),
        step(26, "kill_pods", "proved", SCHEDULER, **GOOD["kill_pods"]),
    ]
    (why,) = doubts(whole([*beats, *late]))
    assert why == "airflow/scheduler-a had sent no heartbeat for 21.0 s when it was hit"
    assert doubts(whole([*beats, *(job(t, 1, "scheduler-a") for t in range(5, 25)), *late])) == ()


def test_a_scheduler_that_says_goodbye_was_not_killed() -> None:
    over = job(12, 1, "scheduler-a", "state", "success")
    (why,) = doubted("kill_pods", SCHEDULER, GOOD["kill_pods"], *BEATS, over)
    assert why == "the job of airflow/scheduler-a ended in success, which a killed one cannot say"
    for nothing in (job(12, 1, "scheduler-a", "state", "failed"), job(12, 2, "scheduler-b", "state", "success")):
        assert doubted("kill_pods", SCHEDULER, GOOD["kill_pods"], *BEATS, nothing) == ()
    assert doubted("evict_pods", SCHEDULER, GOOD["evict_pods"], *BEATS, over) == ()


@pytest.mark.parametrize("how", [{"signal": "SIGTERM"}, {"pids": []}])
def test_a_hang_is_by_sigstop_of_a_process_that_was_there(how: dict[str, Any]) -> None:
    def hung(**how: Any) -> tuple[str, ...]:
        at_work = mark(9, "start", host="worker-1")
        steps = [step(10, "hang_pods", "injected", WORKER, **how)]
        return doubts(whole([at_work, *steps, step(11, "hang_pods", "proved", WORKER, **GOOD["hang_pods"])]))

    assert hung(**how) != ()
    assert hung(signal="SIGSTOP", pids=[7]) == ()


@pytest.mark.parametrize(("t", "inside"), [(9.9, False), (10, True), (19.9, True), (20, False)])
def test_each_pod_is_hit_within_the_fault_phase(t: float, inside: bool) -> None:
    edges = [Phase(t=at(10), name="fault", edge="begin"), Phase(t=at(20), name="fault", edge="end")]
    found = outside(whole(sorted([*edges, step(t, "kill_pods", "injected", WORKER)], key=lambda r: r.t)))
    assert (found == ()) is inside


def by(how: str, action: str, target: dict[str, Any], said: dict[str, Any], *more: Record) -> tuple[str, ...]:
    """As `doubted`, of a fault that was not injected from a node."""
    steps = [step(10, action, "injected", target, by=how), step(11, action, "proved", target, **said)]
    return doubts(whole(sorted([*steps, *more], key=lambda r: r.t)))


def test_what_was_killed_by_its_deletion_was_asked_first_and_must_be_seen_to_end() -> None:
    at_work = mark(9, "start", host="worker-1")
    for code in (None, 0, 143, 137):
        assert by("delete", "kill_pods", WORKER, {**GOOD["kill_pods"], "exit_code": code}, at_work) == ()
    for said in ({"uid_gone": True}, {"uid_gone": True, "exit_code": 137}, {"uid_gone": True, "process_gone": "yes"}):
        (why,) = by("delete", "kill_pods", WORKER, said, at_work)
        assert why == "the process of airflow/worker-1 was not seen to end after it was deleted"
    (why,) = by("delete", "kill_pods", WORKER, {"process_gone": True}, at_work)
    assert why == "the old uid of airflow/worker-1 was not seen gone"
    # Nothing else may be said to be a deletion.
    assert by("delete", "crash_pods", WORKER, {"process_gone": True, "exit_code": 0}, at_work)
    assert by("grace", "kill_pods", WORKER, {**GOOD["kill_pods"], "exit_code": 0}, at_work)


def test_a_scheduler_that_is_deleted_may_say_goodbye() -> None:
    over = job(10.5, 1, "scheduler-a", "state", "success")
    assert by("delete", "kill_pods", SCHEDULER, GOOD["kill_pods"], *BEATS, over) == ()
    assert by("grace", "kill_pods", SCHEDULER, GOOD["kill_pods"], *BEATS, over)


def test_a_policy_cuts_off_only_what_was_seen_cut_off() -> None:
    at_work = mark(9, "start", host="worker-1")
    assert by("policy", "cut_off", WORKER, {"cut": True, "still_across": []}, at_work) == ()
    for said in ({}, {"cut": False}, {"cut": 1}, {"dropped_packets": 3}):
        assert by("policy", "cut_off", WORKER, said, at_work) == (
            "airflow/worker-1 was not seen cut off by its policy",
        )
    (why,) = by("policy", "cut_off", WORKER, {"cut": False, "still_across": ["new yes held no"]}, at_work)
    assert why == "airflow/worker-1 was not seen cut off by its policy (new yes held no)"
    assert by("", "cut_off", WORKER, {"cut": True}, at_work)


def test_what_chaos_mesh_cuts_off_must_be_seen_cut_off_as_well() -> None:
    at_work, home = mark(9, "start", host="worker-1"), "chaosk8s.chaosmesh.network.actions.set_loss"
    assert by(home, "cut_off", WORKER, {"cut": True, "still_across": []}, at_work) == ()
    (why,) = by(home, "cut_off", WORKER, {"cut": False, "still_across": ["new yes held no"]}, at_work)
    assert why == "airflow/worker-1 was not seen cut off by Chaos Mesh (new yes held no)"

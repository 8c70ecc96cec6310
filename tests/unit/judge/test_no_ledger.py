"""On a target without a ledger: what Airflow's own record can show is judged, what it cannot show is INVALID and said
once, and a broken promise is found all the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.worlds.choices import draw, singly
from benchmarks.worlds.compare import BOUNDS, live
from benchmarks.worlds.written import history
from harness.history import History, Op, Record
from harness.judge.by_airflow import NODES_NS, account
from harness.judge.no_ledger import AT_LEAST, FAULT, LOST, NEEDS, TIMED, needing
from harness.judge.verdict import SCHEDULED, judge
from harness.outcome import Check, Outcome, Verdict
from harness.recorded import read
from harness.settings import ROOT
from harness.slo import CATALOGUE
from tests.unit.builders import at, bad, changed, fault, healthy, mark, meta, named, op, pod, whole, without
from tests.unit.judge.ledgerless import ledgerless, tries_of, wall

SECOND_HAND = TIMED | {LOST, FAULT}
EXAMPLE = ROOT / "examples" / "runs" / "scheduler-kill"


def judged(records: Iterable[Record], **how: Any) -> Outcome:
    return judge(ledgerless(whole(records), **how))


def told(outcome: Outcome, verdict: Verdict) -> set[str]:
    return {check.name for check in outcome.checks if check.verdict is verdict}


def saying(one: History, change: Any) -> History:
    """With what Airflow says of the tries of each run changed."""
    ops = tuple(
        o.model_copy(update={"value": {**o.value, "tries": change(o.value)}}) if o.f == "tasks" else o for o in one.ops
    )
    return replace(one, ops=ops)


def test_a_clean_run_is_invalid_for_what_nobody_can_say_and_for_nothing_else() -> None:
    outcome = judged(healthy())
    assert outcome.verdict is Verdict.INVALID
    lacking = {check.name for check in outcome.checks if check.needs}
    assert told(outcome, Verdict.INVALID) == lacking == {"tasks.extra_attempts", *(NEEDS & meta().slo.keys())}
    assert all("This target has no ledger" in named(outcome, name).because for name in lacking)
    assert {"tasks.lost", "availability.read.outage", "recovery.first_new_task"} <= told(outcome, Verdict.PASS)
    assert len(lacking) == needing(meta().slo)


def test_a_history_that_does_not_say_has_a_ledger() -> None:
    plain = judge(whole(healthy()))
    assert not [check for check in plain.checks if check.needs or "no ledger" in check.because]
    assert "ledger" not in meta().model_dump_json()


def test_what_is_judged_from_airflows_record_says_so_with_its_error() -> None:
    outcome = judged(healthy())
    for name in (LOST, *(TIMED & meta().slo.keys())):
        assert "By Airflow's own record, since this target has no ledger" in named(outcome, name).because
    assert named(outcome, "recovery.first_new_task").because.endswith("its times are known to 1.0 s.")
    assert "Airflow" not in named(outcome, FAULT).because, "schedulers hold no task"


@pytest.mark.parametrize(
    ("break_it", "name"),
    [
        (lambda: bad(healthy(), 30, 33), "availability.read.outage"),
        (lambda: changed(healthy(), Op, lambda o: (o.f, o.type, o.value["dag_run"]) == ("run", "ok", "r6"),
                         lambda o: {"type": "fail", "value": {**o.value, "state": "failed"}}), LOST),
        (lambda: without(healthy(), Op, lambda o: (o.f, o.type, o.value["dag_run"]) == ("run", "ok", "r42")), LOST),
        (lambda: changed(healthy(), pod(0, "x", "u").__class__, lambda e: e.uid == "uid-d" and e.t == at(30),
                         lambda _: {"t": at(40)}), "recovery.replacement_ready"),
        (lambda: changed(healthy(), fault(0, "begin").__class__, lambda f: f.phase == "rolled-back",
                         lambda _: {"t": at(52)}), "rollback.time"),
    ],
    ids=["an outage", "a run that failed", "a run that never ended", "a slow recovery", "a slow undo"],
)  # fmt: skip
def test_a_broken_promise_is_found_all_the_same(break_it: Any, name: str) -> None:
    outcome = judged(break_it())
    assert named(outcome, name).verdict is Verdict.FAIL
    assert outcome.verdict is Verdict.FAIL


def late(records: Iterable[Record], by: float) -> list[Record]:
    """New tasks begin so much later, and so does all that follows of their runs."""
    runs = {"r24", "r30", "r36", "r42"}
    moved = [
        r.model_copy(update={"t": r.t + at(by)})
        if getattr(r, "dag_run", "") in runs
        or (isinstance(r, Op) and r.value.get("dag_run") in runs and (r.f, r.type) in (("run", "ok"), ("tasks", "ok")))
        else r
        for r in records
    ]
    return sorted(moved, key=lambda r: r.t)


@pytest.mark.parametrize(
    ("by", "verdict"),
    [(0.0, Verdict.PASS), (8.4, Verdict.PASS), (8.6, Verdict.INVALID), (10.4, Verdict.INVALID), (12.0, Verdict.FAIL)],
)
def test_a_time_that_is_nearer_to_its_limit_than_clocks_are_known_is_in_doubt(by: float, verdict: Verdict) -> None:
    first = named(judged(late(healthy(), by)), "recovery.first_new_task")
    assert first.verdict is verdict
    assert ("Airflow's times leave it open" in first.because) is (verdict is Verdict.INVALID)


def test_a_task_of_a_successful_run_that_airflow_has_not_as_a_success_is_lost() -> None:
    def failed(value: dict[str, Any]) -> list[dict[str, Any]]:
        last = value["tries"][-1] | {"state": "upstream_failed"}
        return [*value["tries"][:-1], last] if value["dag_run"] == "r6" else list(value["tries"])

    lost = named(judge(saying(ledgerless(whole(healthy())), failed)), LOST)
    assert (lost.verdict, lost.measure) == (Verdict.FAIL, 1)
    assert "r6/load" in lost.because


def test_tries_that_airflow_counts_are_extra_attempts() -> None:
    again = [*healthy(), mark(7.1, "start", "r6", "extract", try_=2)]
    twice = changed(
        again,
        Op,
        lambda o: o.f == "tasks" and o.value["dag_run"] == "r6",
        lambda o: {"value": {**o.value, "tasks": [["extract", -1, 2], ["load", -1, 1]]}},
    )
    extra = named(judged(twice), "tasks.extra_attempts")
    assert (extra.verdict, extra.measure, extra.needs) == (Verdict.FAIL, 1, "")


def test_what_began_twice_under_one_try_nobody_sees_and_nobody_calls_kept() -> None:
    twice = [*healthy(), mark(7.1, "start", "r6", "load"), mark(7.2, "end", "r6", "load")]
    assert {"tasks.duplicated", "tasks.extra_attempts"} <= told(judge(whole(twice)), Verdict.FAIL)
    outcome = judged(twice)
    assert {"tasks.duplicated", "tasks.extra_attempts"} <= told(outcome, Verdict.INVALID)


@pytest.mark.parametrize("ahead", [4.0, -6.0])
def test_hosts_whose_clocks_are_wrong_are_found_out(ahead: float) -> None:
    first = named(judged(healthy(), ahead=ahead), "recovery.first_new_task")
    assert first.verdict is Verdict.INVALID
    assert "by its times, " in first.because
    assert named(judged(healthy(), ahead=ahead), LOST).verdict is Verdict.PASS, "it needs no clock"


def test_where_airflows_clock_was_not_read_no_time_of_a_task_is_believed() -> None:
    outcome = judged(healthy(), read=False)
    for name in TIMED & meta().slo.keys():
        assert named(outcome, name).verdict is Verdict.INVALID
        assert "Airflow's clock was read 0 times" in named(outcome, name).because
    assert named(outcome, LOST).verdict is Verdict.PASS


def test_of_a_run_that_airflow_could_not_be_asked_about_nothing_is_concluded() -> None:
    silent = without(healthy(), Op, lambda o: o.f == "tasks" and o.value["dag_run"] == "r6")
    outcome = judged(silent)
    for name in {LOST, *(TIMED & meta().slo.keys())}:
        assert named(outcome, name).verdict is Verdict.INVALID
        assert "what became of the tasks of 1 accepted runs (r6)" in named(outcome, name).because
    lost = changed(
        silent,
        Op,
        lambda o: (o.f, o.type, o.value["dag_run"]) == ("run", "ok", "r1"),
        lambda o: {"type": "fail", "value": {**o.value, "state": "failed"}},
    )
    assert named(judged(lost), LOST).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "tries",
    [
        "none",
        [7],
        [{}],
        [{"task": "load", "map_index": -1, "try": 1, "state": "success", "start": "then", "end": None}],
        [{"task": "load", "map_index": -1, "try": "x", "state": "", "start": None, "end": None, "host": "", "ti": ""}],
    ],
)
def test_a_damaged_record_of_tries_is_no_evidence(tries: Any) -> None:
    outcome = judge(saying(ledgerless(whole(healthy())), lambda _: tries))
    assert outcome.verdict is Verdict.INVALID
    for name in {LOST, *((TIMED | AT_LEAST | NEEDS) & meta().slo.keys())}:
        assert named(outcome, name).verdict is Verdict.INVALID


def killed_worker(at_work: bool) -> list[Record]:
    """The victims are workers; a task is at work on one of them at the fault, or none is."""
    records = [meta(component="worker", recovery=["process_gone", "replacement_ready"]), *healthy()[1:]]
    as_worker = lambda r: {"target": {**r.target, "component": "worker"}}  # noqa: E731
    records = changed(records, type(fault(0, "begin")), lambda f: "uid" in f.target, as_worker)
    pods = type(pod(0, "x", "u"))
    records = changed(
        records, pods, lambda e: e.source == "pod", lambda e: {"value": {**e.value, "component": "worker"}}
    )
    records = [r for r in records if not (isinstance(r, pods) and r.source == "job")]
    host = "scheduler-a.workers.flow.svc" if at_work else "elsewhere"
    return changed(
        records, type(mark(0, "start")), lambda m: m.dag_run == "r18", lambda _: {"executor_host": host}
    )  # r18 is at work from 19 s to 33 s


@pytest.mark.parametrize("at_work", [True, False])
def test_what_was_at_stake_with_a_worker_is_judged_from_when_and_where_tasks_were_at_work(at_work: bool) -> None:
    stake = named(judged(killed_worker(at_work)), FAULT)
    assert stake.verdict is (Verdict.PASS if at_work else Verdict.INVALID)
    assert "By Airflow's own record" in stake.because
    unread = named(judged(killed_worker(at_work), read=False), FAULT)
    assert unread.verdict is Verdict.INVALID
    assert "Airflow's clock was read 0 times" in unread.because


def test_the_example_run_without_its_ledger() -> None:
    recorded = read(EXAMPLE)
    before, after = judge(recorded), judge(ledgerless(recorded))
    assert (before.verdict, after.verdict) == (Verdict.PASS, Verdict.INVALID)
    assert told(after, Verdict.INVALID) == {check.name for check in after.checks if check.needs}


@given(st.floats(0, 0.9), st.sampled_from([-1, 1]))
@settings(max_examples=20, deadline=None)
def test_clocks_that_are_apart_by_less_than_is_allowed_change_no_verdict_into_another(ahead: float, sign: int) -> None:
    true, seen = judge(whole(healthy())), judged(healthy(), ahead=sign * ahead)
    for check in seen.checks:
        assert check.verdict in (Verdict.INVALID, named(true, check.name).verdict)


@given(st.floats(-0.9, 0.9), st.lists(st.floats(2, 40), min_size=1, max_size=8), st.floats(0.1, 9))
def test_marks_are_where_tasks_were_at_work_within_the_error(ahead: float, begins: list[float], took: float) -> None:
    records: list[Record] = [meta(ledger=False)]
    marks = []
    for number, begin in enumerate(begins):
        name = f"r{number}"
        marks += [mark(begin, "start", name, "load"), mark(begin + took, "end", name, "load")]
        records += [
            op(begin - 1, "trigger", "invoke", name, tasks=[["load", -1]]),
            op(begin - 1, "trigger", "ok", name),
            op(begin + took + 0.2, "run", "ok", name, state="success"),
            op(55, "tasks", "ok", name, tasks=[["load", -1, 1]]),
        ]
    plain = replace(whole(records), marks=tuple(marks))
    said = account(ledgerless(plain, ahead=ahead))
    assert (said.silent, said.doubt) == ("", "")
    places = {edge: {(m.dag_run, m.mark): m.t for m in said.placed(edge).marks} for edge in ("early", "late")}
    for one in marks:
        key = (one.dag_run, one.mark)
        assert places["early"][key] <= one.t <= places["late"][key] <= places["early"][key] + 2 * (NODES_NS + at(0.02))


@pytest.mark.parametrize("share", range(8))
def test_no_world_is_better_without_its_ledger(share: int) -> None:
    """Nothing passes that did not pass with it, but by Airflow's own record; and no run passes at all."""
    worlds = [*singly(BOUNDS), *(draw(seed, BOUNDS) for seed in range(48))]
    for world in worlds[share::8][::4]:
        life, true = live(world)
        recorded = history(life, world, true.limits)
        before = {check.name: check for check in judge(replace(recorded)).checks}
        after = judge(ledgerless(recorded))
        assert after.verdict is not Verdict.PASS, world
        for check in after.checks:
            _no_better(before.get(check.name), check, str(world))


def _no_better(before: Check | None, after: Check, world: str) -> None:
    if after.verdict is Verdict.PASS and (before is None or before.verdict is not Verdict.PASS):
        # What the ledger's reader missed is not missing where there is none.
        assert after.name in SECOND_HAND | {"evidence.complete"}, (world, before, after)
    if after.verdict is Verdict.FAIL and before is not None and before.verdict is Verdict.PASS:
        assert after.name == LOST, (world, before, after)


def test_every_check_of_tasks_is_in_one_of_the_tables() -> None:
    """A new bound that is named so rests on what tasks did; it is said here on whose word, without a ledger."""
    by_runs = {"tasks.run_duration"}  # asked of Airflow while it runs, ledger or not
    by_pods = {"tasks.extra_pods", "tasks.left_pods"}
    of_tasks = {name for name in CATALOGUE if name.startswith(("tasks.", "callbacks."))} | SCHEDULED
    assert of_tasks - by_runs - by_pods <= NEEDS | AT_LEAST | {LOST}
    assert not NEEDS & (TIMED | AT_LEAST | {LOST})
    assert CATALOGUE.keys() >= NEEDS | TIMED | AT_LEAST


def test_a_record_of_tries_is_that_of_the_marks() -> None:
    """Of the builder itself: what tests of others rest on."""
    (tries,) = tries_of([mark(1, "start"), mark(2, "end"), mark(3, "start", try_=2)]).values()
    assert {number: (one["state"], one["start"], one["end"]) for number, one in tries.items()} == {
        1: ("success", wall(at(1)), wall(at(2))),
        2: ("failed", wall(at(3)), None),
    }

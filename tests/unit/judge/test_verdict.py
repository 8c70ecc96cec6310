"""The verdict as a whole: good runs pass, every bound can be broken, nothing unknown passes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.history import End, Event, Fault, History, Mark, Op, Record, Recorder, Sample
from harness.judge import verdict as judging
from harness.judge.checks import plain
from harness.judge.verdict import LATER, OPTIONAL, REQUIRED_ALWAYS, judge, primaries, redundant, required, scheduled
from harness.outcome import Check, Verdict
from harness.records import Schedule
from harness.slo import CATALOGUE, Bound
from tests.unit.builders import (
    END,
    LIMITS,
    at,
    bad,
    changed,
    crowd,
    healthy,
    mark,
    meta,
    named,
    op,
    verdict,
    whole,
    without,
)

SLO = {n: {"limit": v, "unit": u, "origin": "test"} for n, (v, u) in LIMITS.items()}


def test_a_healthy_run_passes_every_check() -> None:
    outcome = verdict(healthy())
    assert outcome.verdict is Verdict.PASS
    assert {c.name for c in outcome.checks if c.verdict is not Verdict.PASS} == set()
    assert {c.name for c in outcome.checks} == set(CATALOGUE) - OPTIONAL | {
        "evidence.complete",
        "evidence.fault",
        "evidence.baseline",
        "evidence.schedule",
    }
    assert (outcome.run_id, outcome.experiment, outcome.stack) == ("run-1", "scheduler-kill", "celery")


def delayed(what: Callable[[Any], bool], seconds: float) -> Callable[[], list[Record]]:
    return lambda: changed(healthy(), Record, what, lambda r: {"t": r.t + at(seconds)})


def _ends(name: str) -> Callable[[Record], bool]:
    return lambda r: isinstance(r, Op) and r.f == "run" and r.type == "ok" and r.value["dag_run"] == name


def _jobs(*numbers: int) -> Callable[[Record], bool]:
    return lambda r: isinstance(r, Event) and r.source == "job" and r.value["id"] in numbers and r.t > at(21)


def _flapping(target: str, conn: str) -> list[Record]:
    records = healthy()
    for second in range(22, 45, 3):
        records = bad(records, second, second + 1.4, target, conn)
    return records


def slow(records: list[Record], since: float, until: float, target: str = "version", s: float = 0.6) -> list[Record]:
    """The answers of one target take longer by so many seconds."""
    return changed(
        records,
        Sample,
        lambda x: x.target == target and at(since) <= x.due < at(until),
        lambda x: {"end": x.end + at(s)},
    )


BREAKERS: dict[str, Callable[[], list[Record]]] = {
    "availability.read.outage": lambda: bad(healthy(), 25, 28),
    "availability.read.errors": lambda: _flapping("version", "new"),
    "availability.write.outage": lambda: bad(healthy(), 25, 30, "trigger"),
    "availability.write.errors": lambda: _flapping("trigger", "new"),
    "availability.read.latency": lambda: slow(healthy(), 25, 45),
    "availability.write.latency": lambda: slow(healthy(), 25, 45, "trigger"),
    "evidence.samples": lambda: without(healthy(), Sample, lambda s: s.method == "POST" and s.due > at(30)),
    "evidence.finished_runs": lambda: without(
        healthy(), Op, lambda o: o.value["dag_run"] in ("r1", "r6", "r11", "r24", "r30")
    ),
    "evidence.late_samples": lambda: changed(
        healthy(), Sample, lambda s: s.due > at(45), lambda s: {"t": s.due + at(0.6)}
    ),
    "tasks.lost": lambda: without(healthy(), Mark, lambda m: m.dag_run == "r24" and m.mark == "end"),
    "tasks.duplicated": lambda: [*healthy(), mark(14, "start", "r1"), mark(15, "end", "r1")],
    "tasks.extra_attempts": lambda: [*healthy(), mark(14, "start", "r1")],
    "tasks.unknown_attempts": lambda: [*healthy(), mark(4.91, "start", "r1", try_=7)],
    "tasks.overlapping": lambda: [*healthy(), mark(4, "start", "r1", host="b"), mark(4.5, "end", "r1", host="b")],
    "tasks.run_duration": delayed(_ends("r30"), 18),
    "recovery.process_gone": lambda: changed(
        healthy(),
        Fault,
        lambda f: f.phase == "proved",
        lambda f: {"evidence": {**f.evidence, "process_gone_t": at(23)}},
    ),
    "recovery.replacement_ready": delayed(
        lambda r: isinstance(r, Event) and r.uid == "uid-d" and r.value["ready"] is True, 10
    ),
    "recovery.first_heartbeat": delayed(_jobs(3, 4), 10),
    "recovery.first_new_task": delayed(lambda r: isinstance(r, Mark) and r.dag_run in ("r24", "r30", "r36", "r42"), 10),
    "recovery.orphans_handled": delayed(_jobs(1, 2), 10),
    "recovery.last_delayed_run": delayed(_ends("r18"), 8),
    "rollback.time": delayed(lambda r: isinstance(r, Fault) and r.phase == "rolled-back", 15),
}


def test_every_bound_has_a_breaker() -> None:
    assert BREAKERS.keys() == CATALOGUE.keys() - OPTIONAL == LIMITS.keys()


@pytest.mark.parametrize("name", sorted(BREAKERS))
def test_every_bound_can_be_broken(name: str) -> None:
    outcome = verdict(BREAKERS[name]())
    expected = Verdict.INVALID if name.startswith("evidence.") else Verdict.FAIL
    broken = named(outcome, name)
    assert broken.verdict is expected, broken.because
    assert broken.measure is not None
    assert not Bound(name, *LIMITS[name], "test").holds(broken.measure)
    assert outcome.verdict.rank >= expected.rank


@pytest.mark.parametrize("name", sorted(REQUIRED_ALWAYS - LATER))
def test_a_required_bound_that_is_missing_is_invalid(name: str) -> None:
    slo = {n: b for n, b in SLO.items() if n != name}
    outcome = verdict([meta(slo), *healthy()[1:]])
    assert outcome.verdict is Verdict.INVALID
    assert named(outcome, name).verdict is Verdict.INVALID


@pytest.mark.parametrize(
    "raw",
    [
        None,
        {},
        {"limit": 1, "unit": "h", "origin": "x"},
        {"limit": float("nan"), "unit": "s", "origin": "x"},
        {"limit": float("inf"), "unit": "s", "origin": "x"},
        {"limit": -1, "unit": "s", "origin": "x"},
        {"limit": "2", "unit": "s", "origin": "x"},
        {"limit": True, "unit": "s", "origin": "x"},
        {"limit": 1, "unit": "s", "origin": " "},
    ],
)
def test_a_malformed_bound_is_invalid(raw: Any) -> None:
    malformed = meta().model_copy(update={"slo": {**SLO, "rollback.time": raw}})
    outcome = verdict([malformed, *healthy()[1:]])
    assert outcome.verdict is Verdict.INVALID
    assert "cannot be used" in named(outcome, "rollback.time").because


def test_an_unknown_bound_is_invalid() -> None:
    slo = {**SLO, "availability.reed.outage": SLO["rollback.time"]}
    outcome = verdict([meta(slo), *healthy()[1:]])
    assert outcome.verdict is named(outcome, "availability.reed.outage").verdict is Verdict.INVALID


def test_no_bounds_at_all_is_invalid() -> None:
    assert verdict([meta({}), *healthy()[1:]]).verdict is Verdict.INVALID


def test_no_history_at_all_is_invalid() -> None:
    outcome = judge(History.of([]))
    assert outcome.verdict is Verdict.INVALID
    assert (outcome.run_id, outcome.experiment, outcome.stack) == ("unknown", "unknown", "unknown")
    assert judge(whole([])).verdict is Verdict.INVALID


def test_a_checker_that_raises_is_invalid() -> None:
    def crash(_: History, __: dict[str, Bound]) -> tuple[Check, ...]:
        raise ZeroDivisionError("by chance")

    outcome = judge(whole(healthy()), {**judging.CHECKERS, "recovery": crash})
    check = named(outcome, "recovery")
    assert outcome.verdict is check.verdict is Verdict.INVALID
    assert "ZeroDivisionError: by chance" in check.because


def test_each_bound_of_a_checker_that_raises_is_named() -> None:
    """What is owed is never missing from a verdict."""

    def crash(_: History, __: dict[str, Bound]) -> tuple[Check, ...]:
        raise ZeroDivisionError("by chance")

    sound = judge(whole(healthy()))
    for crashed in judging.CHECKERS:
        outcome = judge(whole(healthy()), {**judging.CHECKERS, crashed: crash})
        bounds = {check.name for check in sound.checks if check.limit is not None}
        assert bounds <= {check.name for check in outcome.checks}
        unjudged = [check for check in outcome.checks if check.because.startswith("No checker")]
        assert all(c.verdict is Verdict.INVALID and crashed in c.because for c in unjudged)


def test_a_checker_that_says_nothing_is_invalid() -> None:
    outcome = judge(whole(healthy()), {**judging.CHECKERS, "recovery": lambda _, __: ()})
    assert outcome.verdict is Verdict.INVALID
    assert named(outcome, "recovery.first_heartbeat").verdict is Verdict.INVALID


@pytest.mark.parametrize("order", [(Verdict.PASS, Verdict.FAIL), (Verdict.FAIL, Verdict.PASS)])
def test_of_two_checks_of_one_name_the_worse_is_kept(order: tuple[Verdict, Verdict]) -> None:
    both = tuple(plain("tasks.lost", v, v.value) for v in order)
    outcome = judge(whole(healthy()), {**judging.CHECKERS, "twice": lambda _, __: both, "tasks": lambda _, __: ()})
    assert named(outcome, "tasks.lost").verdict is outcome.verdict is Verdict.FAIL


def test_of_two_checks_of_one_name_that_are_alike_the_first_is_kept() -> None:
    both = tuple(plain("tasks.lost", Verdict.FAIL, why) for why in ("first", "second"))
    outcome = judge(whole(healthy()), {**judging.CHECKERS, "tasks": lambda _, __: both})
    assert named(outcome, "tasks.lost").because == "first"


def test_no_checkers_at_all_is_invalid() -> None:
    outcome = judge(whole(healthy()), {})
    assert outcome.verdict is Verdict.INVALID
    assert named(outcome, "tasks.lost").because == "No checker judged this bound."


def test_a_failure_outweighs_what_is_unknown() -> None:
    records = without(bad(healthy(), 25, 30), Fault, lambda f: f.phase == "proved")
    assert verdict(records).verdict is Verdict.FAIL


def test_every_because_says_measure_limit_and_origin() -> None:
    for check in verdict(healthy()).checks:
        if check.limit is not None:
            assert f"origin of {check.name}" in check.because
            assert "the limit is at" in check.because


def test_what_runs_by_itself_owes_what_it_is_made_of() -> None:
    plain = Schedule(kind="cron", unpaused="")
    always = {f"schedule.{name}" for name in ("missed", "extra", "doubled", "late")}
    assert scheduled("none", []) == scheduled("worker", []) == frozenset()
    assert scheduled("none", [plain]) == always
    assert scheduled("worker", [plain]) == always | {"schedule.caught_up"}
    for more, owed in (
        ({"max_active_runs": 1}, {"schedule.order", "schedule.overlap"}),
        ({"pools": {"work": "p"}}, {"pools.exceeded"}),
        ({"consumes": ("a",)}, {"assets.unconsumed", "assets.consumed_twice"}),
        ({"deferred": {"wait": 5.0}}, {"deferred.lost"}),
        ({"callbacks": (("success", ""),)}, {"callbacks.doubled", "callbacks.lost"}),
    ):
        assert scheduled("none", [plain, plain.model_copy(update=more)]) == always | owed
    assert always < required("none", writes=False, schedules=[plain])


def test_required_bounds_depend_on_what_is_broken() -> None:
    always = set(CATALOGUE) - OPTIONAL
    rest = {"collateral.restarts"}
    assert required("scheduler", writes=False) == (always | rest) - {
        "availability.write.outage",
        "availability.write.errors",
        "availability.write.latency",
    }
    asked = {"availability.read.stale", "availability.stream.broken"}
    assert required("scheduler", writes=True) == always | rest | asked
    assert required("scheduler", writes=True, reads_back=False) == always | rest
    kept = {"availability.write.kept"}
    assert required("scheduler", writes=True, reads_back=False, keeps=True) == always | rest | kept
    one = {"recovery.process_gone"}
    assert required("scheduler", writes=False, phases=["process_gone"]) == REQUIRED_ALWAYS | rest | one
    assert required("worker", writes=False, phases=[]) == REQUIRED_ALWAYS | rest
    assert not required("none", writes=False) & rest
    other = {"recovery.process_gone", "recovery.replacement_ready"}
    assert required("api-server", writes=False) == REQUIRED_ALWAYS | rest | other
    pods = {"tasks.extra_pods", "tasks.left_pods"}
    assert (
        required("worker", writes=False, phases=[], stack="kubernetes") - redundant("worker", "kubernetes")
        == REQUIRED_ALWAYS | rest | pods
    )
    assert pods < required("none", writes=False, stack="kubernetes")
    assert "rollback.time" in REQUIRED_ALWAYS
    assert not [n for n in REQUIRED_ALWAYS if n.startswith("recovery.") or ".write." in n]


def test_redundancy_is_owed_of_what_a_stack_has_several_of_and_the_load_puts_to_work() -> None:
    each = {"redundancy.webservers", "redundancy.ingress", "redundancy.spread"}
    several = each | {"redundancy.schedulers"}
    assert redundant("scheduler", "celery") == several | {"redundancy.workers"}
    assert redundant("triggerer", "celery") == redundant("none", "celery")
    assert redundant("none", "celery") == several | {"redundancy.workers", "redundancy.triggerers"}
    assert redundant("scheduler", "celery-single") == each | {"redundancy.workers"}
    assert redundant("worker", "celery-keda") == several == redundant("worker", "kubernetes")
    assert redundant("scheduler", "local") == each
    assert redundant("none", "") == frozenset()


HEALTHY = healthy()
LINES = [*HEALTHY, End(t=at(END), complete=True)]
INDEXES = st.integers(0, sum(isinstance(r, Sample) for r in HEALTHY) - 1)


def worse(records: list[Record], which: set[int]) -> list[Record]:
    """The samples of these numbers are bad."""
    numbers = {id(r): i for i, r in enumerate(r for r in records if isinstance(r, Sample))}
    return [r.model_copy(update={"outcome": "fail"}) if numbers.get(id(r)) in which else r for r in records]


@settings(max_examples=60, deadline=None)
@given(first=st.sets(INDEXES, max_size=60), more=st.sets(INDEXES, min_size=1, max_size=30))
def test_making_samples_bad_never_improves_the_verdict(first: set[int], more: set[int]) -> None:
    before, after = verdict(worse(HEALTHY, first)), verdict(worse(HEALTHY, first | more))
    assert after.verdict.rank >= before.verdict.rank
    for check in before.checks:
        assert named(after, check.name).verdict.rank >= check.verdict.rank


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(LINES) - 1))
def test_a_history_cut_between_lines_never_passes(kept: int) -> None:
    assert judge(History.of(LINES[:kept])).verdict is not Verdict.PASS


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "history.jsonl"
    recorder = Recorder.create(path)
    recorder.write(*LINES)
    recorder.close()
    return path


def test_a_history_read_from_disk_gets_the_same_verdict(written: Path) -> None:
    assert judge(History.read(written)) == verdict(HEALTHY)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_never_passes(written: Path, tmp_path: Path, share: float) -> None:
    whole_file = written.read_bytes().rstrip(b"\n")
    cut = tmp_path / "history.jsonl"
    cut.write_bytes(whole_file[: int(share * len(whole_file))])
    assert judge(History.read(cut)).verdict is not Verdict.PASS


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(1, len(HEALTHY) - 1), min_size=1, max_size=400))
def test_judging_never_raises_whatever_is_missing(lost: set[int]) -> None:
    judge(whole([r for i, r in enumerate(HEALTHY) if i not in lost]))


@pytest.mark.parametrize("name", sorted(LATER))
def test_a_history_from_before_a_bound_came_to_be_is_judged_without_it(name: str) -> None:
    slo = {n: b for n, b in SLO.items() if n != name}
    assert verdict([meta(slo), *healthy()[1:]]).verdict is Verdict.PASS
    assert name in required("none", writes=True, stack="celery", keeps=True) | required("scheduler", writes=False)


@pytest.mark.parametrize("name", sorted(n for n in LIMITS if n.startswith("recovery.")))
def test_a_killed_scheduler_owes_each_phase_of_its_recovery_whoever_recorded_it(name: str) -> None:
    slo = {n: b for n, b in SLO.items() if n != name}
    check = named(verdict([meta(slo), *healthy()[1:]]), name)
    assert check.verdict is Verdict.INVALID
    assert "holds no bound of this name" in check.because


def test_a_run_owes_the_phases_that_it_says_it_owes() -> None:
    fewer = {n: b for n, b in SLO.items() if not n.startswith("recovery.")}
    said = meta({**fewer, "recovery.process_gone": SLO["recovery.process_gone"]}, recovery=["process_gone"])
    assert verdict([said, *healthy()[1:]]).verdict is Verdict.PASS
    more = meta(fewer, recovery=["process_gone"])
    assert named(verdict([more, *healthy()[1:]]), "recovery.process_gone").verdict is Verdict.INVALID


@pytest.mark.parametrize("name", ["tasks.extra_pods", "tasks.left_pods"])
def test_where_each_task_has_a_pod_its_pods_are_owed_a_bound(name: str) -> None:
    outcome = verdict([meta(stack="kubernetes"), *healthy()[1:]])
    assert named(outcome, name).verdict is Verdict.INVALID


def test_a_run_that_was_written_to_owes_the_bounds_of_writes() -> None:
    slo = {n: b for n, b in SLO.items() if ".write." not in n}
    assert named(verdict([meta(slo), *healthy()[1:]]), "availability.write.outage").verdict is Verdict.INVALID


@pytest.mark.parametrize("component", ["patroni", "pgbouncer"])
def test_triggers_that_are_gone_are_looked_for_where_a_writer_asks_for_runs(component: str) -> None:
    said = [meta(component=component), *healthy()[1:]]
    trigger = op(1.0, "trigger", "invoke", "t-0", dag="chaos_noop", tasks=[]).model_copy(update={"process": "writer"})
    for records, owed in ((said, False), ([*said, trigger], True)):
        checks = {check.name for check in verdict(records).checks}
        assert "database.two_primaries" in checks
        assert ("database.lost_writes" in checks) is owed


def test_what_may_change_its_primary_is_owed_by_what_is_broken() -> None:
    database, broker = {"database.two_primaries", "database.primary_changes"}, {"broker.primary_changes"}
    assert primaries("patroni", "celery-ha", reads_back=True) == database | {"database.lost_writes"}
    assert primaries("pgbouncer", "celery-ha", reads_back=False) == database
    assert primaries("sentinel", "celery-ha", reads_back=True) == broker
    assert primaries("any", "celery-ha-defaults", reads_back=False) == database | broker
    assert primaries("any", "celery", reads_back=True) == primaries("worker", "celery-ha", reads_back=True) == set()


def test_a_history_without_a_first_line_is_one_invalid_check() -> None:
    (check,) = judge(History.of([], "line 1 cannot be read: expected value")).checks
    assert check.name == "evidence.complete"
    assert check.verdict is Verdict.INVALID
    assert "line 1 cannot be read" in check.because


def test_many_faults_are_judged_in_time_that_grows_with_their_number() -> None:
    few, many = calls_to_judge(crowd(40)), calls_to_judge(crowd(160))
    assert many < 5 * few


def calls_to_judge(records: list[Record]) -> int:
    """How many functions are called meanwhile: a measure of the work that no busy machine changes."""
    history, calls = whole(records), Counter[str]()
    before = sys.getprofile()
    sys.setprofile(lambda _, event, __: calls.update((event,)))
    try:
        outcome = judge(history)
    finally:
        sys.setprofile(before)
    assert outcome.verdict is Verdict.PASS, [c.because for c in outcome.checks if c.verdict is not Verdict.PASS]
    return calls["call"]

"""When nothing waits any more after a fault, where some of it was not seen; and what not knowing when runs were made
leaves unknown."""

from __future__ import annotations

from harness.history import Mark, Record
from harness.judge import callbacks, schedule
from harness.outcome import Check, Verdict
from harness.slo import CATALOGUE, Bound
from tests.unit.judge.airflow_times import Dag, Life, Run, life, probe, recount, rename, whole

LIMITS = {"schedule.late": 5.0, "schedule.caught_up": 10.0}
NAMES = [name for name in CATALOGUE if name.startswith(("schedule.", "callbacks."))]
BOUNDS = {name: Bound(name, LIMITS.get(name, 0), CATALOGUE[name].unit, "a promise") for name in NAMES}


def look(records: list[Record]) -> dict[str, Check]:
    found = whole(sorted(records, key=lambda record: record.t))
    return {check.name: check for judge in (schedule, callbacks) for check in judge.check(found, BOUNDS)}


def without(lived: Life, runs: list[Run]) -> list[Record]:
    names = {(run.dag.name, run.name) for run in runs}
    kept = [r for r in lived.records() if not (isinstance(r, Mark) and (r.dag, r.dag_run) in names)]
    return rename(kept, lambda op: None if (op.value["dag"], op.value["dag_run"]) in names else op.value)


def test_schedulers_that_never_come_back_have_not_caught_up_though_all_but_the_newest_may_stay_away() -> None:
    lived = life(Dag("free", period=6, kind="cron", catchup=False), away=[(60, 63)])
    found = look(without(lived, [run for run in lived.runs if run.due > 60]))["schedule.caught_up"]
    assert found.verdict is Verdict.FAIL, found.because
    assert "never came" in found.because


def test_one_that_was_left_out_after_the_fault_is_not_excused_by_itself() -> None:
    """Its DAG's next run is the first after the fault, but others show that schedulers were back before."""
    lived = life(Dag("free", period=20, kind="cron", catchup=False), Dag("even", catchup=True), away=[(60, 64)])
    left_out = [run for run in lived.runs if run.dag.name == "free" and run.due == 80]
    assert look(lived.records())["schedule.missed"].verdict is Verdict.PASS
    assert look(without(lived, left_out))["schedule.missed"].verdict is Verdict.FAIL


def test_nobody_knows_how_long_it_took_to_catch_up_where_marks_were_not_read_from_before_it_was_due() -> None:
    lived = life(Dag("even"), away=[(60, 61)])
    blind = [r for r in lived.records() if not (isinstance(r, Mark) and r.t > 66 * 10**9)]
    told = [probe(66, "ledger", "error", of="stream", error="away")]
    assert look(lived.records())["schedule.caught_up"].verdict is Verdict.PASS
    found = look(recount([*blind, *told]))["schedule.caught_up"]
    assert found.verdict is Verdict.INVALID, found.because


def test_what_surely_waited_before_the_ledger_was_not_read_any_more_is_enough_to_fail() -> None:
    lived = life(Dag("even"), away=[(60, 95)])
    blind = [r for r in lived.records() if not (isinstance(r, Mark) and r.t > 85 * 10**9)]
    found = look(recount([*blind, probe(86, "ledger", "error", of="stream", error="away")]))["schedule.caught_up"]
    assert found.verdict is Verdict.FAIL, found.because
    assert "at least 21" in found.because


def test_without_knowing_when_runs_were_made_nothing_that_rests_on_it_passes() -> None:
    lived = life(Dag("even", callbacks=True, kind="cron"), away=[(60, 61)])
    good = {name for name, check in look(lived.records()).items() if check.verdict is Verdict.PASS}
    unknown = look(rename(lived.records(), lambda op: {**op.value, "queued_at": None}))
    rests = {"schedule.missed", "schedule.late", "schedule.caught_up", "callbacks.lost"}
    assert rests <= good
    assert {unknown[name].verdict for name in rests} == {Verdict.INVALID}
    assert "It is not known when these runs were made" in unknown["schedule.missed"].because

"""A database that was lost and restored: planted losses are found and named, clean restores pass, and what lacks a part
of its proof is INVALID, with nothing excused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import Fault, History, Op, Record
from harness.judge import restore, tasks
from harness.judge.happened import doubts
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import at, mark, meta, sample, whole

SEGMENT = 16 << 20
EVERY_S, TIMEOUT_S = 10, 10
SYSTEM, SIGN = "7713958433764043333", "a sign"
POD = {"kind": "Pod", "name": "airflow/postgres-0", "uid": "uid-pg", "node": "n1", "component": "postgres"}
BACKED_UP, HIT, GONE, LOST, RELEASED, OPENED, LAST = 12.0, 57.0, 58.0, 60.0, 77.0, 80.0, 150.0
POINT = 50.0  # the file that was closed then is the last that was archived
LEFT = "that the restore undid are left to restore.rpo_tasks."
WRITER, LOAD = "run-1-t", "run-1-w"
LIMITS = {"restore.rpo_tasks": (6, "count"), "restore.rto": (30, "s")}
BOUNDS = {
    name: Bound(name, limit, unit, "a test")
    for name, (limit, unit) in {
        **LIMITS,
        **{f"tasks.{name}": (0, "count") for name in ("lost", "duplicated", "extra_attempts", "unknown_attempts")},
        "tasks.overlapping": (0, "count"),
        "tasks.run_duration": (90, "s"),
    }.items()
}


def lsn(place: int) -> str:
    return f"{place >> 32:X}/{place & 0xFFFFFFFF:X}"


def written(t: float) -> int:
    """Up to where the log goes: every 10 s it goes on in another file."""
    return int(t // EVERY_S) * SEGMENT + int(t % EVERY_S * 1000)


def file(number: int, timeline: int = 1) -> str:
    return f"{timeline:08X}{number >> 8:08X}{number & 0xFF:08X}"


BEFORE: dict[str, Any] = {
    "system": SYSTEM, "timeline": 1, "segment": SEGMENT, "timeout_s": TIMEOUT_S, "sign": SIGN, "backup": "run-1",
    "signal": "SIGKILL", "pids": [7],
}  # fmt: skip
AFTER: dict[str, Any] = {
    "process_gone": True, "process_gone_t": at(GONE), "lost_t": at(LOST), "released_t": at(RELEASED),
    "opened_t": at(OPENED), "files_left": 0, "archived": file(4), "backup": "run-1", "system": SYSTEM, "timeline": 2,
    "parent": 1, "ended_lsn": lsn(5 * SEGMENT), "sign": "",
}  # fmt: skip


def ask(process: str, t: float, f: str, kind: Any, **value: Any) -> Op:
    return Op(t=at(t), process=process, f=f, type=kind, value=value)


@dataclass(frozen=True)
class Work:
    """One task of one run: its attempts, as try, start and end."""

    run: str
    attempts: tuple[tuple[int, float, float | None], ...]

    def marks(self) -> list[Record]:
        found: list[Record] = []
        for try_, start, end in self.attempts:
            found.append(mark(start, "start", self.run, "extract", try_=try_))
            found += [] if end is None else [mark(end, "end", self.run, "extract", try_=try_)]
        return found


def accepted(name: str, t: float, listed: list[Any], ended: float | None = None) -> list[Record]:
    """A run that was accepted at `t`, and ended in success where it is said when."""
    found: list[Record] = [
        ask("writer", t - 0.1, "trigger", "invoke", dag_run=name, tasks=listed),
        ask("writer", t, "trigger", "ok", dag_run=name, status=201, tries=1),
    ]
    return found + ([ask("writer", ended, "run", "ok", dag_run=name, state="success")] if ended else [])


def there(prefix: str, runs: Iterable[str], undone: dict[str, str] | None = None, kind: Any = "ok") -> Op:
    return ask("writer", LAST - 1, "there", kind, prefix=prefix, runs=sorted(runs), undone=undone or {})


def written_runs() -> dict[str, float]:
    """When each was accepted: one every 2 s, and none while there is no database."""
    times = [t + 1.0 for t in range(0, 140, 2) if not HIT <= t + 1.0 <= OPENED]
    return {f"{WRITER}-{number:04d}": t for number, t in enumerate(times)}


def steps(before: dict[str, Any], after: dict[str, Any]) -> list[Record]:
    def step(t: float, phase: Any, target: dict[str, Any], **evidence: Any) -> Fault:
        return Fault(t=at(t), id="lose-1", action="lose_and_restore", phase=phase, target=target, evidence=evidence)

    return [
        step(56.5, "begin", {"kind": "Selector", "name": "component=postgres"}, aimed=[POD["name"]]),
        step(HIT, "injected", POD, **before),
        step(OPENED + 1, "proved", POD, **after),
        step(OPENED + 1, "ended", {}),
    ]


def restored(
    gone: Iterable[str] = (),
    work: Iterable[Work] = (),
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    undone: dict[str, str] | None = None,
    more: Iterable[Record] = (),
    without: Iterable[str] = (),
    writes: Iterable[float] = (),
) -> History:
    """A restore with the runs `gone` of those that were accepted; `without` are ops to leave out, by their `f`."""
    runs, lost, done = written_runs(), set(gone), list(work)
    records: list[Record] = [
        meta({}, component="postgres", stack="celery-archive", replicas={"postgres": 1}),
        ask("archive", BACKED_UP, "backup", "ok", backup="run-1", uid="uid-pg", asked=at(11)),
        *(
            ask("archive", t + 0.2, "position", "ok", asked=at(t), lsn=lsn(written(t)), timeline=1, system=SYSTEM)
            for t in range(20, 57)
        ),
        *steps({**BEFORE, **(before or {})}, {**AFTER, **(after or {})}),
        *(record for name, t in runs.items() for record in accepted(name, t, [], t + 1)),
        there(WRITER, runs.keys() - lost),
        there(LOAD, {one.run for one in done} - lost, undone),
    ]
    for one in done:
        last = max((end or start for _, start, end in one.attempts), default=100.0)
        records += [*accepted(one.run, one.attempts[0][1] - 0.2, [["extract", -1]], last + 0.5), *one.marks()]
        tries = max(try_ for try_, _, _ in one.attempts)
        known, begun = [["extract", -1, tries]], [["extract", -1, list(range(1, tries + 1))]]
        records.append(ask("writer", LAST - 2, "tasks", "ok", dag_run=one.run, tasks=known, begun=begun))
    records += [ask("writer", LAST - 2, "tasks", "ok", dag_run=n, tasks=[], begun=[]) for n in runs.keys() - lost]
    good = [*(float(t) for t in range(0, 57, 2)), *(writes or [float(t) for t in range(82, 140, 2)])]
    bad = [float(t) for t in range(58, 80, 2)]
    records += [sample(t, "ok", "trigger", method="POST") for t in good]
    records += [sample(t, "fail", "trigger", method="POST") for t in bad]
    kept = [r for r in (*records, *more) if not (isinstance(r, Op) and r.f in set(without))]
    return whole(sorted(kept, key=lambda record: record.t))


def checked(history: History, bounds: dict[str, Bound] | None = None) -> dict[str, Check]:
    some = BOUNDS if bounds is None else bounds
    return {check.name: check for check in (*restore.check(history, some), *tasks.check(history, some))}


IN_WINDOW = [name for name, t in written_runs().items() if POINT < t < HIT]
EARLIER = [name for name, t in written_runs().items() if t < POINT]
LATER = [name for name, t in written_runs().items() if t > OPENED]


def test_a_clean_restore_passes_every_check() -> None:
    history = restored(work=[Work(f"{LOAD}-0001", ((1, 30.0, 35.0),))])
    assert doubts(history) == ()
    found = checked(history)
    assert {check.verdict for check in found.values()} == {Verdict.PASS}, found
    assert found["restore.rpo_tasks"].measure == 0
    assert found["restore.rto"].measure == pytest.approx(82.02 - HIT)
    assert "left to" not in found["tasks.lost"].because


@given(st.sets(st.sampled_from(IN_WINDOW + EARLIER + LATER), max_size=9))
def test_a_run_that_may_be_gone_is_counted_and_one_that_may_not_is_a_failure(gone: set[str]) -> None:
    found = checked(restored(gone))["restore.rpo_tasks"]
    owed = sorted(gone - set(IN_WINDOW))
    if owed:
        assert found.verdict is Verdict.FAIL
        assert all(name in found.because for name in owed[:3])
        return
    assert found.measure == len(gone)
    assert found.verdict is (Verdict.PASS if len(gone) <= 6 else Verdict.FAIL)
    assert all(name in found.because for name in sorted(gone)[:3])


@given(st.sets(st.sampled_from(IN_WINDOW), min_size=1))
def test_what_is_counted_once_is_no_loss_to_other_checks_which_say_so(gone: set[str]) -> None:
    found = checked(restored(gone))
    assert found["tasks.lost"].verdict is Verdict.PASS
    assert found["tasks.lost"].because.endswith(f" {len(gone)} runs {LEFT}")


@pytest.mark.parametrize("name", [EARLIER[-1], LATER[0]])
def test_no_other_check_excuses_what_must_be_there(name: str) -> None:
    left = ask("writer", LAST - 1.5, "run", "info", dag_run=name, state="unknown")
    ended = ask("writer", written_runs()[name] + 1, "run", "ok", dag_run=name, state="success")
    records = [r for r in restored([name], more=[left]).ops if r != ended]
    history = restored([name], more=[left])
    history = replace(history, ops=tuple(records))
    assert checked(history)["tasks.lost"].verdict is not Verdict.PASS
    assert checked(history)["restore.rpo_tasks"].verdict is Verdict.FAIL


# What a task did before the loss, and then again: from the window on it is the restore's doing, before it is not.
@given(end=st.floats(21, 79.5), long=st.floats(0.5, 12), retried=st.booleans())
def test_a_task_that_ran_again_is_counted_or_found_by_other_checks(end: float, long: float, retried: bool) -> None:
    start = end - long
    if start > HIT:
        start = HIT - 0.5
    one = Work(f"{LOAD}-0001", ((1, start, end), (2 if retried else 1, 90.0, 95.0)))
    found = checked(restored(work=[one]))
    excused = start > POINT or end > POINT - 5
    if abs(end - POINT + 5) < 1e-6 or abs(start - POINT) < 1e-6:
        return
    assert found["restore.rpo_tasks"].measure == int(excused)
    for name in ("tasks.duplicated", "tasks.extra_attempts"):
        assert found[name].verdict is (Verdict.PASS if excused else Verdict.FAIL), found[name]
    if excused:
        assert found["tasks.duplicated"].because.endswith(f" 1 tasks {LEFT}")
        assert found["tasks.unknown_attempts"].verdict is Verdict.PASS


def test_a_task_that_had_not_ended_is_an_attempt_more_as_ever() -> None:
    found = checked(restored(work=[Work(f"{LOAD}-0001", ((1, 55.0, None), (1, 90.0, 95.0)))]))
    assert found["restore.rpo_tasks"].measure == 0
    assert found["tasks.extra_attempts"].measure == 1
    assert found["tasks.unknown_attempts"].verdict is Verdict.PASS  # the restored database cannot know it
    assert found["tasks.lost"].verdict is found["tasks.duplicated"].verdict is Verdict.PASS


@pytest.mark.parametrize("start", [85.0, 30.0])
def test_an_attempt_behind_the_back_of_the_database_is_found(start: float) -> None:
    again = ((1, start, start + 2), (1, 95.0, 98.0))
    assert checked(restored(work=[Work(f"{LOAD}-0001", again)]))["tasks.unknown_attempts"].verdict is Verdict.FAIL


def test_three_times_is_once_too_often() -> None:
    one = Work(f"{LOAD}-0001", ((1, 52.0, 55.0), (2, 90.0, 95.0), (2, 100.0, 105.0)))
    assert checked(restored(work=[one]))["tasks.duplicated"].verdict is Verdict.FAIL


def test_what_was_done_twice_before_the_loss_is_found_after_it() -> None:
    one = Work(f"{LOAD}-0001", ((1, 51.0, 53.0), (2, 54.0, 56.0), (1, 90.0, 95.0)))
    found = checked(restored(work=[one]))
    assert found["tasks.duplicated"].verdict is found["tasks.extra_attempts"].verdict is Verdict.FAIL
    assert found["restore.rpo_tasks"].measure == 1


def test_a_run_that_was_done_must_be_done_again() -> None:
    one = Work(f"{LOAD}-0001", ((1, 52.0, 55.0),))
    found = checked(restored(work=[one], undone={one.run: "running"}))["tasks.lost"]
    assert found.verdict is Verdict.FAIL
    assert f"run {one.run} (again running)" in found.because


BROKEN_BEFORE: list[tuple[str, Any]] = [
    ("system", None), ("system", "another"), ("timeline", 2), ("timeline", None), ("segment", 0), ("segment", 3 << 20),
    ("segment", None), ("timeout_s", None), ("sign", ""), ("sign", None), ("backup", "another"), ("pids", []),
    ("signal", "SIGTERM"),
]  # fmt: skip
BROKEN_AFTER = [
    ("process_gone", False), ("process_gone_t", None), ("lost_t", None), ("released_t", None), ("opened_t", None),
    ("released_t", at(GONE)), ("files_left", 3), ("files_left", None), ("files_left", False), ("archived", ""),
    ("archived", None), ("archived", "00000002.history"), ("archived", file(4, timeline=9)), ("backup", None),
    ("backup", "another"), ("system", None), ("system", "another"), ("timeline", 1), ("timeline", None), ("parent", 3),
    ("parent", None), ("ended_lsn", None), ("ended_lsn", "5"), ("sign", SIGN), ("sign", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("side", "key", "said"),
    [*(("before", *one) for one in BROKEN_BEFORE), *(("after", *one) for one in BROKEN_AFTER)],
)
def test_without_each_part_of_its_proof_it_is_invalid_and_nothing_is_excused(side: str, key: str, said: Any) -> None:
    one = Work(f"{LOAD}-0001", ((1, 52.0, 55.0), (2, 90.0, 95.0)))
    before, after = ({key: said}, None) if side == "before" else (None, {key: said})
    history = restored(IN_WINDOW[:2], [one], before=before, after=after)
    found = checked(history)
    assert found["restore.rpo_tasks"].verdict is found["restore.rto"].verdict is Verdict.INVALID
    assert doubts(history)
    assert found["tasks.duplicated"].verdict is Verdict.FAIL


def test_without_a_backup_that_was_whole_before_the_loss_it_is_invalid() -> None:
    late = ask("archive", HIT + 1, "backup", "ok", backup="run-1", uid="uid-pg", asked=at(HIT))
    strange = ask("archive", BACKED_UP, "backup", "ok", backup="run-1", uid="another", asked=at(11))
    failed = ask("archive", BACKED_UP, "backup", "fail", backup="run-1", uid="uid-pg", asked=at(11))
    never = ask("archive", BACKED_UP, "backup", "ok", backup="run-1", uid="uid-pg")
    for other in (late, strange, failed, never):
        history = restored(without=["backup"])
        records = tuple(sorted((*history.ops, other), key=lambda op: op.t))
        found = checked(replace(history, ops=records))
        assert {found[name].verdict for name in LIMITS} == {Verdict.INVALID}


def test_what_was_never_asked_excuses_nothing() -> None:
    found = checked(restored(IN_WINDOW[:1], without=["position"]))
    assert found["restore.rpo_tasks"].verdict is Verdict.INVALID
    assert checked(restored(without=["there"]))["restore.rpo_tasks"].verdict is Verdict.INVALID


def test_nobody_excuses_what_nobody_counts() -> None:
    one = Work(f"{LOAD}-0001", ((1, 52.0, 55.0), (2, 90.0, 95.0)))
    only = {name: bound for name, bound in BOUNDS.items() if name.startswith("tasks.")}
    assert checked(restored(work=[one]), only)["tasks.duplicated"].verdict is Verdict.FAIL


def test_an_archive_that_was_behind_makes_the_window_no_larger() -> None:
    """What the settings promise to have archived is owed, also where it was not."""
    early = [name for name, t in written_runs().items() if 20 < t < 30]
    found = checked(restored(early, after={"archived": file(1), "ended_lsn": lsn(2 * SEGMENT)}))["restore.rpo_tasks"]
    assert found.verdict is Verdict.FAIL
    assert early[0] in found.because
    within = [name for name, t in written_runs().items() if HIT - 15 < t < HIT]
    checks = checked(restored(within[:3], after={"archived": file(1), "ended_lsn": lsn(2 * SEGMENT)}))
    assert checks["restore.rpo_tasks"].measure == 3


def test_an_archive_without_a_promise_is_held_to_the_count() -> None:
    """Set to an hour, all since the backup may be gone, and that is too much."""
    since = [name for name, t in written_runs().items() if BACKED_UP < t < HIT]
    never = {"archived": file(0), "ended_lsn": lsn(SEGMENT)}
    found = checked(restored(since, before={"timeout_s": 3600}, after=never))["restore.rpo_tasks"]
    assert found.verdict is Verdict.FAIL
    assert found.measure == len(since)


def test_a_database_that_was_not_restored_to_the_end_of_its_archive_is_a_failure() -> None:
    found = checked(restored(after={"ended_lsn": lsn(3 * SEGMENT)}))["restore.rpo_tasks"]
    assert found.verdict is Verdict.FAIL
    assert "the archive had all up to" in found.because


def test_too_few_runs_between_backup_and_loss_show_nothing() -> None:
    history = restored()
    late = [op.model_copy(update={"t": at(40)}) if op.f == "backup" else op for op in history.ops]
    found = checked(replace(history, ops=tuple(sorted(late, key=lambda op: op.t))))
    assert found["restore.rpo_tasks"].verdict is Verdict.INVALID
    assert "accepted after the backup and archived" in found["restore.rpo_tasks"].because


@given(st.floats(80.5, 139))
def test_the_time_is_that_of_the_first_write_that_is_accepted(first: float) -> None:
    found = checked(restored(writes=[first, 140.0]))["restore.rto"]
    assert found.measure == pytest.approx(first + 0.02 - HIT)
    assert found.verdict is (Verdict.PASS if found.measure is not None and found.measure <= 30 else Verdict.FAIL)


def test_a_write_while_there_was_no_database_is_a_contradiction() -> None:
    history = restored(more=[sample(70.5, "ok", "variable", method="PATCH")])
    assert checked(history)["restore.rto"].verdict is Verdict.INVALID


def test_writes_that_never_come_back_are_a_failure() -> None:
    found = checked(restored(writes=[56.5]))["restore.rto"]
    assert found.verdict is Verdict.FAIL
    assert "at least" in found.because


def test_where_nothing_was_restored_nothing_is_judged() -> None:
    history = restored()
    found = checked(replace(history, faults=()))
    assert {found[name].verdict for name in LIMITS} == {Verdict.INVALID}
    assert checked(restored(), {}) == {}

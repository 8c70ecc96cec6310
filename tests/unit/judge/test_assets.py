"""Updates are put together, and none of them may be left behind."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import HistoryError
from harness.history import Event, Mark, Op, Record
from harness.judge.assets import TWICE, UNCONSUMED, check
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import meta
from tests.unit.judge.airflow_times import Dag, Life, life, rename, scheduled, whole

BOUNDS = {name: Bound(name, 0, "count", "a promise") for name in (UNCONSUMED, TWICE)}
LATE = {"schedule.late": Bound("schedule.late", 20, "s", "a promise")}
MAKER, READER = Dag("maker", length=25.0, produces=True), Dag("reader", period=0, kind="asset")
LIVED = life(MAKER, READER, away=[(50, 85)])


def look(records: list[Record]) -> dict[str, Check]:
    return {found.name: found for found in check(whole(records), {**BOUNDS, **LATE})}


def verdicts(records: list[Record]) -> list[Verdict]:
    found = look(records)
    return [found[UNCONSUMED].verdict, found[TWICE].verdict]


def both(lived: Life, other: float) -> list[Record]:
    """The reader waits for a second asset as well, which is updated every `other` s by a maker of its own; its runs are
    made when both were updated, of all that came since."""
    first: Any = lived.records()[0]
    schedules = dict(first.schedules)
    schedules["reader"] = schedules["reader"].model_copy(update={"consumes": ("file", "table")})
    schedules["slow"] = schedules["slow"].model_copy(update={"produces": {"table": "work"}})
    updates = [
        (run, "file" if run.dag.name == "maker" else "table") for run in lived.runs if run.done and run.dag.period
    ]
    open_: list[tuple[Any, str]] = []
    runs: list[list[list[object]]] = []
    for run, asset in sorted(updates, key=lambda update: update[0].done or 0):
        open_.append((run, asset))
        if len({asset for _, asset in open_}) == 2:
            runs.append([[round((r.done or 0) * 4), a, r.dag.name, r.name] for r, a in open_])
            open_ = []
    made = iter(runs)

    def value(op: Op) -> dict[str, Any] | None:
        if op.value["dag"] != "reader":
            return op.value
        consumed = next(made, None)
        return None if consumed is None else {**op.value, "consumed": consumed}

    return rename([meta({}, schedules=schedules), *lived.records()[1:]], value)


def test_what_was_updated_while_schedulers_were_away_has_one_run_together() -> None:
    assert any(len(run.consumed) > 1 for run in LIVED.runs)
    assert verdicts(LIVED.records()) == [Verdict.PASS, Verdict.PASS]


@pytest.mark.parametrize("other", [30, 90])
def test_one_that_waits_for_two_assets_leaves_the_one_waiting_that_comes_more_often(other: int) -> None:
    records = both(life(MAKER, Dag("slow", period=other, produces=True), READER), other)
    assert verdicts(records) == [Verdict.PASS, Verdict.PASS], look(records)


def test_where_one_of_each_waits_none_was_made_for_is_found() -> None:
    lived = life(MAKER, Dag("slow", period=60, produces=True), READER)
    records = rename(both(lived, 60), lambda op: None if op.value["dag"] == "reader" else op.value)
    assert verdicts(records)[0] is Verdict.FAIL


def consumed(change: Any) -> list[Record]:
    first = next(run for run in LIVED.runs if run.dag.name == "reader").name
    return rename(
        LIVED.records(),
        lambda op: {**op.value, "consumed": change(op.value["consumed"])} if op.value["dag_run"] == first else op.value,
    )


def test_an_update_is_named_with_who_waited_for_it() -> None:
    found = look(rename(LIVED.records(), lambda op: None if op.value["dag"] == "reader" else op.value))[UNCONSUMED]
    assert found.verdict is Verdict.FAIL
    assert "file by maker/scheduled__" in found.because
    assert "for reader" in found.because


def test_it_must_be_recorded_what_a_run_was_made_for() -> None:
    assert verdicts(consumed(lambda _: None)) == [Verdict.INVALID, Verdict.INVALID]
    with pytest.raises(HistoryError):
        look(consumed(lambda _: ["file"]))


def test_an_update_that_just_came_is_not_waited_for_yet() -> None:
    last = max((r for r in LIVED.runs if r.dag.name == "reader" and r.made < 200), key=lambda run: run.made)
    records = rename(LIVED.records(), lambda op: None if op.value["dag_run"] == last.name else op.value)
    assert verdicts(records)[0] is Verdict.PASS


@pytest.mark.parametrize(
    "records",
    [
        life(Dag("maker"), READER).records(),
        [r for r in LIVED.records() if not isinstance(r, Mark)],
        [r for r in LIVED.records() if not (isinstance(r, Op) and (r.f, r.type) == ("listed", "ok"))],
        [r for r in LIVED.records() if not (isinstance(r, Event) and r.object == "clock")],
    ],
    ids=["nothing updated", "no marks", "not asked", "no clock"],
)
def test_what_is_not_known_is_invalid(records: list[Record]) -> None:
    assert Verdict.INVALID in verdicts(records)
    assert Verdict.FAIL not in verdicts(records)


def test_the_scheduler_in_miniature_says_what_it_consumed() -> None:
    runs = [run for run in LIVED.runs if run.dag.name == "reader"]
    assert all(scheduled(run).value["consumed"] for run in runs)

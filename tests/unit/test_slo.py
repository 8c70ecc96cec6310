"""Bounds are refused with the place that is wrong, before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.slo import CATALOGUE, Bound, bound_of, changed, load, stacks

GOOD = """\
tuned:
  celery:
    scheduler-kill:
      tasks.lost:
        limit: 0
        unit: count
        origin: nothing may be lost
      rollback.time:
        limit: 120
        unit: s
        origin: ten times what was measured
"""


def bounds(tmp_path: Path, text: str, *required: str) -> dict[str, Bound]:
    path = tmp_path / "slo.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, "tuned", "celery", "scheduler-kill", frozenset(required))


def test_a_good_file(tmp_path: Path) -> None:
    assert bounds(tmp_path, GOOD, "tasks.lost") == {
        "tasks.lost": Bound("tasks.lost", 0.0, "count", "nothing may be lost"),
        "rollback.time": Bound("rollback.time", 120.0, "s", "ten times what was measured"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("tasks.lost", "tasks.mislaid"), "slo.yaml:4: no bound is called 'tasks.mislaid'"),
        (GOOD.replace("unit: s\n", "unit: ms\n"), "slo.yaml:8: bound rollback.time is measured in 's', not in 'ms'"),
        (GOOD.replace("limit: 120", "limit: soon"), "slo.yaml:8: bound rollback.time needs a limit"),
        (GOOD.replace("limit: 120", "limit: .nan"), "slo.yaml:8: bound rollback.time needs a limit"),
        (GOOD.replace("limit: 120", f"limit: 1{'0' * 400}"), "slo.yaml:8: bound rollback.time needs a limit"),
        (GOOD.replace("origin: ten times what was measured", "origin: ''"), "slo.yaml:8: bound rollback.time does not"),
        (GOOD.replace("scheduler-kill", "webserver-kill"), "slo.yaml:3: no experiment 'scheduler-kill'; there is: web"),
        (GOOD.replace("celery", "local"), "slo.yaml:2: no stack 'celery'; there is: local"),
        (GOOD.replace("tuned", "defaults"), "slo.yaml:1: no profile 'tuned'; there is: defaults"),
        ("tuned:\n  celery: [", "slo.yaml:2: not valid YAML"),
        ("- tuned", "slo.yaml:1: expected profiles"),
        ("", "slo.yaml:1: expected profiles"),
        ("tuned:\n  celery:\n    scheduler-kill: 3\n", "slo.yaml:3: tuned/celery/scheduler-kill must be a table"),
        ("tuned: 7\n", "slo.yaml:1: no stack 'celery'; there is: nothing"),
        ("tuned: \x00\n", "slo.yaml:1: not valid YAML"),
        ("[" * 5000, "slo.yaml:1: not valid YAML: it is nested too deeply"),
        (GOOD.replace("limit: 120", "limit: !!int two"), "not a value that YAML knows"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        bounds(tmp_path, text)
    assert said in str(caught.value)


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_bytes(GOOD.encode() + b"\xff")
    with pytest.raises(UsageError, match=r"slo\.yaml:1: not UTF-8 text"):
        load(tmp_path / "slo.yaml", "tuned", "celery", "scheduler-kill", frozenset())


def test_a_missing_bound_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"slo\.yaml:4: scheduler-kill on celery has no bound tasks\.duplicated"):
        bounds(tmp_path, GOOD, "tasks.duplicated", "tasks.lost")


SHARED = GOOD.replace(
    "    scheduler-kill:\n",
    """\
    every:
      tasks.lost: {limit: 7, unit: count, origin: of its own there is another}
      tasks.duplicated: {limit: 1, unit: count, origin: needed}
      recovery.process_gone: {limit: 5, unit: s, origin: not needed}
    scheduler-kill:
""",
)


def test_what_holds_for_every_experiment_is_taken_where_it_is_needed_and_has_no_bound_of_its_own(
    tmp_path: Path,
) -> None:
    assert bounds(tmp_path, SHARED, "tasks.lost", "tasks.duplicated") == {
        **bounds(tmp_path, GOOD),
        "tasks.duplicated": Bound("tasks.duplicated", 1.0, "count", "needed"),
    }


def test_what_holds_on_every_stack_is_taken_where_nothing_is_nearer(tmp_path: Path) -> None:
    wide = """\
tuned:
  every:
    tasks.lost: {limit: 9, unit: count, origin: the experiment has its own}
    tasks.duplicated: {limit: 8, unit: count, origin: the stack has its own}
    tasks.overlapping: {limit: 2, unit: count, origin: nobody else has it}
    recovery.process_gone: {limit: 5, unit: s, origin: not needed}
"""
    text = SHARED.replace("tuned:\n", wide)
    needed = ("tasks.lost", "tasks.duplicated", "tasks.overlapping")
    assert bounds(tmp_path, text, *needed) == {
        **bounds(tmp_path, SHARED, *needed[:2]),
        "tasks.overlapping": Bound("tasks.overlapping", 2.0, "count", "nobody else has it"),
    }
    assert stacks(tmp_path / "slo.yaml", "tuned", "scheduler-kill") == ["celery"]


def test_what_holds_for_every_experiment_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no experiment 'scheduler-kill'; there is: webserver-kill"):
        bounds(tmp_path, SHARED.replace("scheduler-kill", "webserver-kill"))
    with pytest.raises(UsageError, match="tuned/celery/every must be a table"):
        bounds(tmp_path, GOOD.replace("    scheduler-kill:", "    every: 3\n    scheduler-kill:"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"slo\.yaml, which holds the bounds, does not exist"):
        load(tmp_path / "slo.yaml", "tuned", "celery", "scheduler-kill", frozenset())


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_bound_takes_its_own_unit_and_survives_its_json(name: str) -> None:
    bound = bound_of(name, {"limit": 5, "unit": CATALOGUE[name].unit, "origin": "test"}, "here")
    assert bound_of(name, bound.to_json(), "there") == bound


@pytest.mark.parametrize(
    "raw", [None, 5, [], {"limit": True, "unit": "s", "origin": "x"}, {"unit": "s", "origin": "x"}]
)
def test_what_is_no_bound_is_refused(raw: Any) -> None:
    with pytest.raises(UsageError, match=r"here: bound rollback\.time"):
        bound_of("rollback.time", raw, "here")


@given(limit=st.floats(0, 1e6), measure=st.floats(0, 1e6))
def test_bounds_hold_up_to_and_with_their_limit(limit: float, measure: float) -> None:
    assert Bound("rollback.time", limit, "s", "test").holds(measure) is (measure <= limit)
    assert Bound("evidence.samples", limit, "count", "test").holds(measure) is (measure >= limit)


def test_nothing_that_is_not_a_number_holds() -> None:
    for name in CATALOGUE:
        assert not Bound(name, 1.0, CATALOGUE[name].unit, "test").holds(float("nan"))


def test_what_a_run_was_made_with_and_is_otherwise_today_is_told(tmp_path: Path) -> None:
    path = tmp_path / "slo.yaml"
    lost = '{limit: 0, unit: count, origin: "Never."}'
    path.write_text(
        f"tuned:\n  every:\n    tasks.lost: {lost}\n  celery:\n    one:\n"
        '      rollback.time: {limit: 20, unit: s, origin: "A sum."}\n'
        f"defaults:\n  celery:\n    one:\n      tasks.lost: {lost}\n",
        encoding="utf-8",
    )
    then = {"tasks.lost": {"limit": 0.0}, "rollback.time": {"limit": 20.0}}
    assert changed(path, then, "celery", "one") == {}
    assert changed(path, {**then, "rollback.time": {"limit": 30.0}}, "celery", "one") == {"rollback.time": "20 s today"}
    assert changed(path, {**then, "tasks.odd": {"limit": 1}}, "celery", "one") == {"tasks.odd": "none today"}
    assert changed(path, then, "celery-defaults", "one") == {"rollback.time": "none today"}
    assert changed(path, then, "celery", "gone") == dict.fromkeys(then, "none today")

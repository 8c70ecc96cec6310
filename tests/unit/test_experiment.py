"""Experiments are checked whole before anything starts: what is wrong is named, and nothing else ever comes out."""

from __future__ import annotations

import inspect
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import pytest
from chaoslib.experiment import ensure_experiment_is_valid
from hypothesis import given
from hypothesis import strategies as st

from harness import allowed
from harness.asking import Probe, Target
from harness.bounds import owed
from harness.chaos import actions
from harness.errors import UsageError
from harness.experiment import CONTROL, EXTENSION, Experiment, check, load, name_of
from harness.judge.verdict import required
from harness.settings import ROOT, Profile, Settings
from harness.slo import stacks
from tests.unit.plans import experiment

VERSION = {"name": "version", "path": "/api/v2/version", "rate_hz": 5}
WRITE = {"name": "variable", "path": "/api/v2/variables/chaos", "rate_hz": 5, "login": True, "write": True}
SHIPPED = sorted((ROOT / "experiments").glob("*.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_experiment_is_valid_to_us_and_to_chaos_toolkit(path: Path) -> None:
    found = load(path)
    assert found.name == path.stem
    assert found.raw == json.loads(path.read_text(encoding="utf-8"))
    ensure_experiment_is_valid(found.raw)
    assert stacks(ROOT / "slo.yaml", "tuned", found.name)
    for profile in get_args(Profile):
        for stack in stacks(ROOT / "slo.yaml", profile, found.name):
            plan, there = found.plan, Settings(stack=stack, profile=profile, slo_file=ROOT / "slo.yaml")
            back, keeps = plan.writer is not None, bool(plan.probe.writes)
            needed = required(plan.component, plan.writes, plan.recovery, stack, reads_back=back, keeps=keeps)
            assert needed <= owed(found, there).keys()
            assert plan.writer or "availability.read.stale" not in owed(found, there), "nobody would look"
            assert keeps or "availability.write.kept" not in owed(found, there), "nothing would be left"
    assert found.plan.on.keys() <= {path.name for path in (ROOT / "deploy" / "overlays").iterdir()} | {"defaults"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_title_leads_to_its_file(path: Path) -> None:
    assert name_of(load(path).raw["title"]) == path.stem


def test_titles_are_not_given_twice() -> None:
    assert len({load(path).raw["title"] for path in SHIPPED}) == len(SHIPPED)
    assert name_of("no experiment has this title") == "unnamed"


def test_the_plan_is_what_the_block_says() -> None:
    plan = check("x", experiment(seed=7)).plan
    assert (plan.component, plan.seed, plan.writer) == ("scheduler", 7, None)
    assert plan.workload.tasks == (("extract", -1),)
    assert plan.probe.targets[0].conn == ("new", "reused")


def test_each_kind_of_connection_writes_to_a_variable_of_its_own() -> None:
    plan = check("x", experiment(probe={"timeout_s": 2, "targets": [VERSION, WRITE]})).plan
    assert plan.writes
    assert not check("x", experiment()).plan.writes
    read, write = plan.probe.targets
    assert plan.probe.writes == (write,)
    assert [read.at(conn) for conn in read.conn] == [VERSION["path"]] * 2
    assert [write.at(conn) for conn in write.conn] == [f"/api/v2/variables/chaos-{conn}" for conn in write.conn]
    assert write.variable("new", "7") == {"key": "chaos-new", "value": "7"}


@pytest.mark.parametrize("wrong", [{"path": "/api/v2/pools/x"}, {"login": False}, {"must_contain": "x"}])
def test_a_write_that_would_change_something_else_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"targets\.0: .*a write has a login, the path /api/v2/variables/NAME"):
        check("x", experiment(probe={"timeout_s": 2, "targets": [WRITE | wrong]}))


def test_what_differs_elsewhere_differs_there_alone() -> None:
    longer = {"baseline_s": 5, "recovery_s": 400, "cooldown_s": 5}
    found = check("x", experiment(on={"kubernetes": {"every_s": 20}, "defaults": {"phases": longer}}))
    paces = {name: found.at(name).plan.workload.every_s for name in ("celery", "kubernetes", "defaults")}
    lengths = {name: found.at(name).plan.phases.recovery_s for name in ("celery", "kubernetes", "defaults")}
    assert paces == {"celery": 1, "kubernetes": 20, "defaults": 1}
    assert lengths == {"celery": 5, "kubernetes": 5, "defaults": 400}
    both = found.at("kubernetes", "defaults").plan
    assert (both.workload.every_s, both.phases.recovery_s) == (20, 400)
    assert both.workload.model_copy(update={"every_s": 1}) == found.plan.workload


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", r"x\.json:1: not valid JSON"),
        ('{\n  "a": 1\n  "b": 2\n}', r"x\.json:3: not valid JSON"),
        ("", r"x\.json:1: not valid JSON"),
        ("[]", r"x\.json:1: an experiment is a JSON object"),
        ("{}", r"x\.json has no control harness\.control"),
        ("[" * 200_000, r"x\.json: not JSON that can be read"),
        ("9" * 5_000, r"x\.json: not JSON that can be read"),
    ],
)
def test_a_malformed_file_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        load(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"title": "\xff"}')
    with pytest.raises(UsageError, match=r"x\.json:1: not UTF-8"):
        load(path)


def test_an_unknown_experiment_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no experiment .*/nothing\.json; there are: .*scheduler-kill\.json"):
        load(tmp_path / "nothing.json")
    with pytest.raises(UsageError, match="there is no experiment"):
        load(tmp_path)


def without(field: str) -> dict[str, Any]:
    raw = experiment()
    raw.pop(field)
    return raw


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (without("controls"), f"no control {CONTROL}"),
        (without("extensions"), f"one extension block named {EXTENSION}, and has 0"),
        (experiment() | {"extensions": experiment()["extensions"] * 2}, "and has 2"),
        (experiment() | {"controls": [{"name": "other", "provider": {"module": "other"}}]}, "no control"),
        (experiment(component=None), r"extensions\.airflow-chaos\.component: "),
        (experiment(surprise=1), r"extensions\.airflow-chaos\.surprise: "),
        (experiment(phases={"baseline_s": 1, "recovery_s": 5, "cooldown_s": 5}), r"phases\.baseline_s: .*5"),
        (experiment(phases={"baseline_s": 5, "recovery_s": 5}), r"phases\.cooldown_s: Field required"),
        (experiment(probe={"timeout_s": 1, "targets": []}), r"probe\.targets: "),
        (
            experiment(probe={"timeout_s": 1, "targets": [{"name": "n", "path": "x", "rate_hz": 1}]}),
            r"targets\.0\.path",
        ),
        (
            experiment(probe={"timeout_s": 1, "targets": [{"name": "n", "path": "/a b", "rate_hz": 1}]}),
            r"targets\.0\.path",
        ),
        (
            experiment(probe={"timeout_s": 1, "targets": [{"name": "n", "path": "/x", "rate_hz": 1, "conn": []}]}),
            r"targets\.0\.conn",
        ),
        (
            experiment(
                probe={"timeout_s": 1, "targets": [{"name": "n", "path": "/x", "rate_hz": 1, "conn": ["new"] * 2}]}
            ),
            r"targets\.0\.conn: .*given twice",
        ),
        (
            experiment(probe={"timeout_s": 1, "targets": [{"name": "n", "path": "/x", "rate_hz": 1}] * 2}),
            r"probe\.targets: .*several targets are called 'n'",
        ),
        (experiment(on={"local": {"dag": "other"}}), r"on\.local\.dag: "),
        (experiment(on={"local": {"every_s": 0}}), r"on\.local\.every_s: "),
        (experiment(workload={"dag": "d", "every_s": 0, "accept_within_s": 1}), r"workload\.every_s: "),
    ],
)
def test_what_is_wrong_is_named(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=rf"^x\.json.*{said}"):
        check("x", raw)


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=5,
)


def paths(found: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    return [at, *(path for key, value in inner for path in paths(value, (*at, key)))]


@given(st.data(), anything)
def test_whatever_stands_anywhere_in_a_file_is_taken_or_refused(data: st.DataObject, value: Any) -> None:
    """An experiment with any one of its parts replaced by something else: nothing but a refusal is ever raised."""
    whole = [experiment()]
    path = data.draw(st.sampled_from(paths(whole)[1:]))
    parent: Any = whole
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    with suppress(UsageError):
        assert isinstance(check("x", whole[0]), Experiment)


rates = st.lists(
    st.tuples(st.floats(0.1, 200), st.sampled_from([("new",), ("reused",), ("new", "reused")])), min_size=1
)


@given(rates)
def test_the_rate_of_a_probe_is_that_of_all_its_series(series: list[tuple[float, Any]]) -> None:
    targets = tuple(Target(name=str(n), path="/", rate_hz=rate, conn=conn) for n, (rate, conn) in enumerate(series))
    alone = [Probe(timeout_s=1, targets=(target,)).rate_hz for target in targets]
    assert Probe(timeout_s=1, targets=targets).rate_hz == pytest.approx(sum(alone))
    assert alone == [rate * len(conn) for rate, conn in series]


PAGE = ROOT / "docs" / "write-an-experiment.md"


def test_what_the_page_shows_makes_an_experiment_that_is_taken() -> None:
    block, method = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = check("x", json.loads(f"{{{block}, {method}}}"))
    allowed.check(found)
    assert (found.plan.component, found.plan.probe.targets[0].name) == ("scheduler", "version")
    assert [step["provider"]["func"] for step in found.method()] == ["kill_pods"]


def test_the_page_names_each_action_with_its_arguments() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    told = {name: re.findall(r"(\**)`(\w+)`", arguments) for name, arguments in rows if hasattr(actions, name)}
    every = {
        name: inspect.signature(action).parameters.values()
        for name, action in inspect.getmembers(actions, inspect.isfunction)
        if action.__module__ == actions.__name__ and name[0] != "_" and name != allowed.UNDO
    }
    assert told == {
        name: [("**" if one.default is one.empty else "", one.name) for one in some if one.name != "namespace"]
        for name, some in every.items()
    }


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_where_there_is_one_scheduler_the_blast_may_take_it(path: Path) -> None:
    """Half of one is none: such a run would be refused wherever one scheduler is all that there is."""
    found = load(path)
    for stack in {"celery-single", "local"} & set(stacks(ROOT / "slo.yaml", "tuned", found.name)):
        if found.plan.component == "scheduler":
            assert found.at(stack, "tuned").plan.blast.share == 1


def probe(**vantage: Any) -> Probe:
    loopback = {**VERSION, "name": "by-port", "entry": "loopback"}
    write = {"name": "var", "path": "/api/v2/variables/v", "rate_hz": 1, "write": True, "login": True}
    return Probe.model_validate({"timeout_s": 2, "targets": [VERSION, loopback, write], "vantage": vantage or None})


def test_vantage_points_ask_for_what_users_read_unless_they_are_told_what() -> None:
    assert probe().seen == ()
    assert [target.name for target in probe(points=3).seen] == ["version"]
    assert [target.name for target in probe(points=3, targets=[{**VERSION, "name": "fast"}]).seen] == ["fast"]


@pytest.mark.parametrize(
    ("vantage", "said"),
    [
        ({"points": 0}, "greater than or equal to 1"),
        ({"points": 1001}, "less than or equal to 1000"),
        ({"points": 1000, "targets": [{**VERSION, "rate_hz": 11}]}, "would make 22000 requests/s"),
        ({"points": 1, "targets": [{**VERSION, "entry": "loopback"}]}, "only reads, and only by the load balancer"),
        (
            {
                "points": 1,
                "targets": [{"name": "v", "path": "/api/v2/variables/v", "rate_hz": 1, "write": True, "login": True}],
            },
            "only reads",
        ),
    ],
)
def test_vantage_points_that_would_be_too_many_or_write_are_refused(vantage: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        probe(**vantage)


def test_an_option_asks_for_vantage_points_of_any_experiment() -> None:
    one = check("x", experiment())
    assert one.seen_from(0) is one
    found = one.seen_from(4).plan.probe
    assert found.vantage is not None
    assert (found.vantage.points, [target.name for target in found.seen]) == (4, ["version"])
    assert found.targets == one.plan.probe.targets
    with pytest.raises(UsageError, match=r"from 1000 vantage points: .*requests/s"):
        check("x", experiment(probe={"timeout_s": 2, "targets": [{**VERSION, "rate_hz": 15}]})).seen_from(1000)

"""Nothing in an experiment's file runs unless it is ours or was allowed: each refusal has its place."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import allowed
from harness.errors import UsageError
from harness.experiment import check, load
from harness.progress.show import Showing
from harness.settings import ROOT, Settings
from harness.slo import CATALOGUE
from harness.testing import experiments as by_pytest
from harness.testing.selection import Case
from tests.unit.plans import BLAST, activity, experiment

Raw = dict[str, Any]
SHIPPED = sorted((ROOT / "experiments").glob("*.json"))
ACTIONS = "harness.chaos.actions"
BLANK = {"type": "process", "path": "true"}


def refused(raw: Raw, *names: str) -> str:
    with pytest.raises(UsageError) as caught:
        allowed.check(check("x", raw), names)
    return str(caught.value)


def with_(**entries: Any) -> Raw:
    return experiment() | {name.replace("_", "-"): entry for name, entry in entries.items()}


def acting(func: str, **arguments: Any) -> Raw:
    return with_(method=[activity("action", ACTIONS, func, **arguments)])


def reaching(raw: Raw, **blast: float) -> Raw:
    """The same with another blast radius."""
    (block,) = raw["extensions"]
    return raw | {"extensions": [block | {"blast": BLAST | blast}]}


def varied(**entries: Any) -> Raw:
    raw = experiment()
    raw["method"][0] |= entries
    return raw


def probe(provider: Raw) -> Raw:
    return {"type": "probe", "name": "p", "tolerance": True, "provider": provider}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_experiment_is_allowed(path: Path) -> None:
    allowed.check(load(path))


def test_components_are_those_that_are_deployed() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "deploy").rglob("*.yaml"))
    deployed = set(re.findall(r"component: ([a-z-]+)", text))
    others = {"none", "any", "kube-apiserver", "kube-dns", "speaker"}  # deployed by kubeadm, and by MetalLB
    assert set(get_args(allowed.Component)) - others <= deployed
    assert {load(path).plan.component for path in SHIPPED} <= set(get_args(allowed.Component))


PLACES = [
    (with_(configuration={"x": probe(BLANK)}), "configuration.x: "),
    (with_(configuration={"x": {"y": [probe(BLANK)]}}), "configuration.x.y[0]: "),
    (with_(configuration={"x": {"type": "env", "key": "SURELY_NOT_SET"}}), "configuration.x.key: "),
    (with_(configuration=[]), "configuration: an object"),
    (with_(secrets={"a": {"b": {"type": "vault", "path": "x"}}}), "secrets.a.b: "),
    (with_(secrets={"a": {"b": "in the open"}}), "secrets.a.b: it would appear in the journal"),
    (
        with_(secrets={"a": {"b": {"type": "env", "key": "PATH", "default": "x"}}}),
        "secrets.a.b.default: it would appear",
    ),
    (with_(steady_state_hypothesis={"title": "t", "probes": [probe(BLANK)]}), "steady-state-hypothesis.probes[0]"),
    (
        with_(steady_state_hypothesis={"title": "t", "probes": experiment()["method"]}),
        "steady-state-hypothesis.probes[0].provider: ",
    ),
    (varied(tolerance=probe(BLANK)), "method[0].tolerance.provider: type 'process'"),
    (varied(tolerance={"type": "magic"}), "method[0].tolerance.type: "),
    (
        varied(controls=[{"name": "c", "provider": {"type": "python", "module": "os"}}]),
        "method[0].controls[0].provider",
    ),
    (varied(controls=experiment()["controls"]), "method[0].controls[0]: "),
    (with_(controls=experiment()["controls"] * 2), "controls[1]: "),
    (with_(controls=[experiment()["controls"][0] | {"scope": "before"}]), "controls[0].scope: "),
    (varied(provider=BLANK), "method[0].provider: type 'process'"),
    (varied(provider={"type": "http", "url": "http://127.0.0.1"}), "method[0].provider: type 'http'"),
    (with_(method=[activity("action", "os", "system", command="true")]), "method[0].provider: module 'os'"),
    (with_(method=[activity("action", "chaosk8s.pod.actions", "exec_in_pods")]), "module 'chaosk8s.pod.actions'"),
    (with_(method=[activity("action", ACTIONS, "_act")]), "method[0].provider.func: "),
    (with_(method=[activity("action", ACTIONS, "current")]), "method[0].provider.func: "),
    (with_(rollbacks=experiment()["method"]), "rollbacks[0].provider.func: undo is the only"),
    (varied(type="probe"), "method[0].type: "),
    (varied(background=True), "method[0].background: "),
    (varied(pauses={"before": -1}), "method[0].pauses.before: "),
    (varied(pauses={"after": 1e9}), "method[0].pauses.after: "),
    (varied(pauses={"after": "${x}"}), "method[0].pauses.after: "),
    (varied(dry="activities"), "method[0].dry: "),
    (with_(dry="activities"), "dry: "),
    (with_(method=[{"ref": "kill_pods"}]), "method[0].ref: "),
    (with_(method=[]), "method: no action in it breaks"),
    (with_(method=[activity("action", ACTIONS, "undo")]), "method: no action in it breaks"),
    (experiment(component="none"), "method: the component is 'none'"),
    (experiment(component="schedular"), "extensions.airflow-chaos.component: no stack has 'schedular'"),
    (experiment(pick="some"), "method[0].provider.arguments.pick: "),
    (acting("kill_pods"), "method[0].provider.arguments.selector: "),
    (acting("kill_pods", selector="a=b", surprise=1), "method[0].provider.arguments.surprise: "),
    (acting("kill_pods", selector="a=b", namespace="kube system"), "arguments.namespace: "),
    *(
        (acting("hang_pods", selector="a=b", hold_s=s), "arguments.hold_s: ")
        for s in (-1, 0, 1e9, "60", True, float("nan"))
    ),
    (acting("drain_node", selector="a=b", within_s=-1), "arguments.within_s: "),
    (acting("overload", selector="a=b", runs=-1, queue_time_s=1, within_s=1), "arguments.runs: "),
    (acting("scale_pods", selector="a=b", by=0), "arguments.by: "),
    (experiment(blast=None), "extensions.airflow-chaos.blast.pods: the method needs at least 1, but 0 is declared"),
    (experiment(blast=BLAST | {"share": 0.0}), "blast.share: the method needs at least 0.01"),
    (experiment(blast=BLAST | {"seconds": 0.0}), "blast.seconds: the method needs at least 1"),
    (experiment(on={"local": {"blast": {"pods": 0}}}), "on.local.blast.pods: "),
    (experiment(component="none") | {"method": []}, "extensions.airflow-chaos.blast: the component is 'none'"),
    (
        reaching(acting("hang_pods", selector="a=b", hold_s=60), seconds=59),
        "blast.seconds: the method needs at least 60",
    ),
    (reaching(acting("stop_node", selector="a=b", hold_s=60), nodes=0), "blast.nodes: the method needs at least 1"),
    (reaching(acting("scale_pods", selector="a=b", by=-3), pods=2), "blast.pods: the method needs at least 3"),
    (reaching(varied(pauses={"before": 9, "after": 40}), seconds=39), "blast.seconds: the method needs at least 40"),
]


@pytest.mark.parametrize(("raw", "place"), PLACES, ids=[place for _, place in PLACES])
def test_what_is_not_ours_is_refused_with_its_place(raw: Raw, place: str) -> None:
    said = refused(raw)
    assert said.startswith("x.json: ")
    assert place in said


@pytest.mark.parametrize(
    "selector",
    ["", " ", ",", "!a", "a!=b", "a", "a notin (b)", "a=b,", "a in ()", "a b", "a=b;c", "${all}", "a=", "=b", "-a=b"],
)
def test_a_selector_that_chooses_nothing_is_refused(selector: str) -> None:
    assert "method[0].provider.arguments.selector: " in refused(experiment(selector=selector))


@pytest.mark.parametrize("selector", ["a=b", "a==b, c!=d", "a in (b, c)", "k8s.io/a=b,!c", "a=b,c notin (d,e)"])
def test_a_selector_that_chooses_is_allowed(selector: str) -> None:
    allowed.check(check("x", experiment(selector=selector)))


def test_plain_values_and_environment_variables_are_allowed() -> None:
    plain = {
        "a": "b",
        "c": [1, None],
        "d": {"type": "env", "key": "PATH"},
        "e": {"type": "env", "key": "_", "default": 1},
    }
    allowed.check(check("x", with_(configuration=plain, secrets={"s": {"t": plain["d"]}})))


def test_what_is_allowed_by_name_is_let_through_and_nothing_else() -> None:
    foreign = with_(method=[activity("action", "chaosk8s.pod.actions", "exec_in_pods")])
    allowed.check(check("x", foreign), ("chaosk8s",))
    for name in ("chaosk8", "chaosk8s.node", "process", ""):
        assert "chaosk8s.pod.actions" in refused(foreign, name)
    allowed.check(check("x", varied(provider=BLANK)), ("process",))
    allowed.check(check("x", with_(configuration={"x": probe(BLANK)})), ("process",))
    assert "arguments.pick" in refused(experiment(pick="some"), "harness", "process")


@given(st.sampled_from(SHIPPED), st.sampled_from(["type", "module", "func", "arguments"]), st.text(max_size=20))
def test_a_provider_that_is_changed_is_refused(path: Path, field: str, to: str) -> None:
    raw = copy.deepcopy(load(path).raw)
    provider = (raw["method"] or raw["rollbacks"])[0]["provider"]
    if field == "arguments":
        provider["arguments"] = {**provider.get("arguments", {}), f"no {to}": to}
    else:
        provider[field] += f"~{to}"
    assert ".provider" in refused(raw)


def test_names_come_from_the_environment_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CHAOS_ALLOW_PROVIDERS", "chaosk8s, process,")
    assert Settings().allow_providers == ("chaosk8s", "process")


def touching(marker: Path) -> dict[str, Raw]:
    """Files that would touch the marker, each in another way."""
    process = {"type": "process", "path": "touch", "arguments": str(marker)}
    system = activity("action", "os", "system", command=f"touch {marker}")
    return {
        "configuration": with_(configuration={"x": probe(process)}),
        "hypothesis": with_(steady_state_hypothesis={"title": "t", "probes": [probe(process)]}),
        "tolerance": with_(
            steady_state_hypothesis={
                "title": "t",
                "probes": [
                    activity("probe", "harness.chaos.probes", "every_component_is_ready")
                    | {"tolerance": probe(process)}
                ],
            }
        ),
        "method": with_(method=[system]),
        "rollbacks": with_(rollbacks=[system]),
        "getoutput": with_(method=[activity("action", "subprocess", "getoutput", cmd=f"touch {marker}")]),
    }


WAYS = sorted(touching(Path("x")))


def started(folder: Path, way: str, *command: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    marker, path = folder / "marker", folder / "abusive.json"
    path.write_text(json.dumps(touching(marker)[way]), encoding="utf-8")
    bounds = {name: {"limit": 1, "unit": kind.unit, "origin": "test"} for name, kind in CATALOGUE.items()}
    (folder / "slo.yaml").write_text(json.dumps({"tuned": {"celery": {"abusive": bounds}}}), encoding="utf-8")
    places = {"CACHE": "cache", "REPORTS": "reports", "SLO_FILE": "slo.yaml"}
    env = {**os.environ, **{f"AIRFLOW_CHAOS_{name}": str(folder / place) for name, place in places.items()}}
    whole = [str(Path(sys.executable).parent / command[0]), *command[1:], str(path)]
    return subprocess.run(whole, capture_output=True, text=True, timeout=120, check=False, env=env, cwd=folder), marker


@pytest.mark.parametrize("way", WAYS)
def test_harness_run_executes_nothing_of_an_abusive_file(tmp_path: Path, way: str) -> None:
    done, marker = started(tmp_path, way, "harness", "run")
    assert done.returncode == 64, done.stdout + done.stderr
    assert "error: abusive.json: " in done.stderr
    assert not marker.exists()
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"configuration"}))
def test_chaos_run_executes_no_activity_of_an_abusive_file(tmp_path: Path, way: str) -> None:
    done, marker = started(tmp_path, way, "chaos", "--no-version-check", "run", "--rollback-strategy=always")
    assert done.returncode == 64, done.stdout + done.stderr
    assert "may not be run here" in done.stderr
    assert not marker.exists()


@pytest.mark.parametrize("way", WAYS)
def test_pytest_refuses_an_abusive_file_before_it_looks_at_the_stack(
    tmp_path: Path, way: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, marker = tmp_path / "abusive.json", tmp_path / "marker"
    path.write_text(json.dumps(touching(marker)[way]), encoding="utf-8")
    untouched: Callable[..., str] = lambda *_: pytest.fail("the stack was looked at")  # noqa: E731
    monkeypatch.setattr(by_pytest.Ground, "prepare", untouched)
    unwatched = partial(Showing(None, [], tmp_path).watching, 1)
    with pytest.raises(UsageError, match=r"may not be run here|is run or fetched"):
        by_pytest.test_experiment(Case(path, "celery", ()), 0, settings, by_pytest.Ground(), unwatched, [])
    assert not marker.exists()


@pytest.mark.parametrize(
    "command", [("harness", "run", "--allow-providers", "process"), ("chaos", "--no-version-check", "run")]
)
def test_what_is_let_through_and_what_a_control_cannot_prevent_is_run(tmp_path: Path, command: tuple[str, ...]) -> None:
    """docs/safety.md says so; and were the marker never touched, its absence elsewhere would say nothing."""
    done, marker = started(tmp_path, "configuration", *command)
    assert done.returncode == 64, done.stdout + done.stderr
    assert marker.exists()

"""The command line: every refusal is one clear line and exit code 64, and verdicts are exit codes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness import cli, recorded, settings
from harness.commands import console as shown
from harness.commands.ending import Row
from harness.errors import CommandFailed, HarnessError, UsageError
from harness.judge.verdict import required
from harness.outcome import Check, Outcome, Verdict
from harness.settings import ROOT, Settings
from harness.slo import CATALOGUE
from harness.stack import engine, steps
from harness.trends import counts
from tests.unit.builders import LIMITS, bad, healthy, meta
from tests.unit.plans import experiment
from tests.unit.test_recorded import record
from tests.unit.trends.test_trend import run

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Run a command in this process: exit code, output, errors. No engine is on PATH, and no cluster is known."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("COLUMNS", "200")
    for name, value in (("CACHE", "cache"), ("REPORTS", "reports"), ("SLO_FILE", "slo.yaml")):
        monkeypatch.setenv(f"AIRFLOW_CHAOS_{name}", str(tmp_path / value))
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    yield run
    signal.signal(signal.SIGTERM, before)


def refused(answer: tuple[int, str, str], *words: str) -> None:
    """One clear line on stderr, and code 64."""
    code, _, err = answer
    assert code == 64, err
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line


def slo(tmp_path: Path, **changes: Any) -> None:
    """Bounds for the small experiment; a change of None takes a bound away."""
    more = required("scheduler", writes=True, stack="celery") - LIMITS.keys()
    owed = LIMITS | {n: (50.0, CATALOGUE[n].unit) for n in more}
    bounds = {n: {"limit": v, "unit": u, "origin": "test"} for n, (v, u) in owed.items()} | changes
    kept = {n: b for n, b in bounds.items() if b is not None}
    lines = ["tuned:", "  celery:", "    small:", *(f"      {n}: {json.dumps(b)}" for n, b in kept.items())]
    (tmp_path / "slo.yaml").write_text("\n".join(lines), encoding="utf-8")


def small(tmp_path: Path, text: str | None = None) -> Path:
    path = tmp_path / "small.json"
    path.write_text(text if text is not None else json.dumps(experiment()), encoding="utf-8")
    return path


def test_an_unknown_experiment(call: Call, tmp_path: Path) -> None:
    refused(call("run", tmp_path / "lost.json"), "there is no experiment", "lost.json", "scheduler-kill.json")


def test_malformed_json(call: Call, tmp_path: Path) -> None:
    refused(call("run", small(tmp_path, '{\n"a": 1,,\n}')), "small.json:2: not valid JSON")


def test_an_experiment_without_our_block(call: Call, tmp_path: Path) -> None:
    raw = experiment()
    raw["extensions"] = []
    refused(call("run", small(tmp_path, json.dumps(raw))), "small.json needs one extension block named airflow-chaos")


def test_a_wrong_phase(call: Call, tmp_path: Path) -> None:
    raw = experiment(phases={"baseline_s": "long", "recovery_s": 5, "cooldown_s": 5})
    refused(call("run", small(tmp_path, json.dumps(raw))), "small.json", "phases.baseline_s")


def test_malformed_yaml(call: Call, tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text("tuned:\n  celery:\n    small: [\n", encoding="utf-8")
    refused(call("run", small(tmp_path)), "slo.yaml:4: not valid YAML")


def test_no_slo_file(call: Call, tmp_path: Path) -> None:
    refused(call("run", small(tmp_path)), "slo.yaml, which holds the bounds, does not exist")


def test_a_missing_bound(call: Call, tmp_path: Path) -> None:
    slo(tmp_path, **{"tasks.lost": None})
    refused(call("run", small(tmp_path)), "slo.yaml:4: small on celery has no bound tasks.lost")


def test_a_wrong_unit(call: Call, tmp_path: Path) -> None:
    slo(tmp_path, **{"availability.read.outage": {"limit": 1, "unit": "ms", "origin": "test"}})
    refused(call("run", small(tmp_path)), "slo.yaml:4: bound availability.read.outage is measured in 's', not in 'ms'")


def test_a_stack_that_is_not_up(call: Call, tmp_path: Path) -> None:
    slo(tmp_path)
    refused(call("run", small(tmp_path)), "the stack is not up", "run `harness up`")
    refused(call("run", small(tmp_path), "--dry-run"), "the stack is not up", "run `harness up`")
    assert not (tmp_path / "reports").exists()


def test_an_unknown_stack(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CHAOS_STACK", "lunar")
    slo(tmp_path)
    refused(call("run", small(tmp_path)), "slo.yaml:2: no stack 'lunar'; there is: celery")
    refused(call("up", "--step", "airflow", "--yes"), "no stack is called 'lunar'", "celery")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("words", [(), ("--step", "engine"), ("--step", "airflow"), ("--profile", "defaults")])
def test_a_stack_that_does_not_exist_is_refused_before_anything_starts(
    call: Call, tmp_path: Path, words: tuple[str, ...]
) -> None:
    code, out, err = call("up", "--yes", "--stack", "celrey", *words)
    refused((code, out, err), "no stack is called 'celrey", "there are: celery")
    assert out == ""
    assert not (tmp_path / "cache").exists()


def test_a_gate_ends_with_what_it_found_or_says_why_it_cannot(call: Call, tmp_path: Path) -> None:
    refused(call("gate"), "there is no judged run yet")
    for number in range(3):
        run(tmp_path / "reports", number, 1.0, name="tasks.run_duration")
    code, out, _ = call("gate", "--newest", 1)
    assert code == 2
    assert "e on s" in out
    assert "cannot tell; 37 more runs" in out
    assert call("gate", "--newest", 1, "--confidence", 0.5)[0] == 2
    run(tmp_path / "reports", 4, 2.0, name="tasks.run_duration")
    assert call("gate", "--newest", 1, "--confidence", 0.5)[0] == 1
    run(tmp_path / "reports", 5, 0.5, name="tasks.run_duration")
    assert call("gate", "--newest", 1, "--confidence", 0.5)[0] == 0
    for words in (("--newest", 0), ("--newest", "few"), ("--confidence", "nan"), ("--confidence", 2), ("lost",)):
        refused(call("gate", *words))


def test_runs_are_counted_and_recorded(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "RECORD", tmp_path / "docs" / "runs.csv")
    monkeypatch.setattr(counts, "PAGE", tmp_path / "docs" / "page.md")
    refused(call("trend"), "has no judged run yet")
    assert "Of 0 runs" in call("trend", "--counts")[1]
    for number, name in ((1, "null"), (2, "null"), (3, "not-ours")):
        run(tmp_path / "reports", number, 1.0, experiment=name)
    assert "Of 2 runs" in call("trend", "--counts")[1]
    call("trend", "--markdown")
    assert not (tmp_path / "docs" / "runs.csv").exists()
    assert "No run is recorded yet" in (tmp_path / "docs" / "page.md").read_text(encoding="utf-8")
    assert call("trend", "--record")[1].startswith("2 runs added: ")
    assert "| null | s | 2 | 2 |" in (tmp_path / "docs" / "page.md").read_text(encoding="utf-8")
    shutil.rmtree(tmp_path / "reports")
    assert "Of 2 runs" in call("trend", "--counts")[1]
    run(tmp_path / "reports", 4, 1.0, experiment="null")
    code, out, _ = call("trend", "--record", "--counts")
    assert (code, out.startswith("1 runs added: "), "Of 3 runs" in out) == (0, True, True)


def test_a_matrix_of_nothing_says_so(call: Call, tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    assert call("matrix") == (0, "there is no judged run yet; run an experiment first\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "--step", "sideways"), "no step is called 'sideways'; there are: machine, engine, images, cluster"),
        (("up", "--images", "sometimes"), "setting images is not valid"),
        (("images", "--images", "sometimes"), "setting images is not valid"),
        (("up", "--sideways"), "No such option: --sideways"),
        (("fly",), "No such command 'fly'"),
        (("run",), "Missing argument 'FILE...'"),
        (("check",), "Missing argument 'folder'"),
        (("check", "a", "b"), "unexpected extra argument"),
        (("status",), "the stack is not up"),
    ],
)
def test_what_is_not_known_is_refused(call: Call, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    refused(call(*words), said)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("words", [("up",), ("status",), ("doctor",), ("down",), ("heal",)])
def test_a_setting_that_cannot_be(call: Call, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CHAOS_HTTP_PORT", "eighty")
    refused(call(*words), "setting http_port is not valid")


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("up", "--help")])
def test_help_is_no_error(call: Call, words: tuple[str, ...]) -> None:
    code, out, err = call(*words)
    assert (code, err) == (0, "")
    assert "Usage: harness" in out


def test_without_engine_and_cluster_nothing_is_left_to_remove_or_heal(call: Call, tmp_path: Path) -> None:
    code, out, err = call("down")
    assert (code, err) == (0, "")
    assert out.startswith("nothing to remove in ")
    assert call("heal") == (0, "nothing was left\n", "")


def test_the_doctor_names_every_step_and_changes_nothing(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("doctor")
    assert code in (0, 64)  # this machine may be too small
    assert all(step.name in out for step in steps.STEPS)
    assert "not installed" in out
    assert {path.name for path in tmp_path.iterdir()} == {"empty"}


def test_a_folder_without_a_history(call: Call, tmp_path: Path) -> None:
    for words in (("check", tmp_path), ("report", tmp_path), ("check", tmp_path / "nowhere")):
        refused(call(*words), "has no history.jsonl")


def test_a_run_that_kept_its_promises(call: Call, tmp_path: Path) -> None:
    code, out, err = call("check", record(tmp_path / "run", healthy()))
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"PASS scheduler-kill on celery: {tmp_path / 'run'}"


def test_a_run_that_broke_one(call: Call, tmp_path: Path) -> None:
    code, out, err = call("check", record(tmp_path / "run", bad(healthy(), 25, 40)))
    assert (code, err) == (1, "")
    assert any(line.split()[:2] == ["FAIL", "availability.read.outage"] for line in out.splitlines())
    assert "tasks.lost" not in out
    assert "tasks.lost" in call("check", "-v", tmp_path / "run")[1]
    assert out.splitlines()[-1].startswith("FAIL ")


def test_a_run_that_was_cut_short(call: Call, tmp_path: Path) -> None:
    folder = record(tmp_path / "run", healthy())
    path = folder / "history.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    code, out, err = call("check", folder)
    assert (code, err) == (2, "")
    assert out.splitlines()[-1].startswith("INVALID ")


def test_a_run_of_another_format(call: Call, tmp_path: Path) -> None:
    refused(call("check", record(tmp_path / "run", [meta(format=2), *healthy()[1:]])), "history format 2")


def test_checking_changes_nothing_and_reporting_says_where(call: Call, tmp_path: Path) -> None:
    folder = record(tmp_path / ("a long name " * 12) / "run", healthy())
    call("check", folder)
    assert [path.name for path in folder.iterdir()] == ["history.jsonl"]
    assert call("report", folder) == (0, f"{folder / 'report.html'}\n", "")
    assert (folder / "junit.xml").is_file()


def test_a_path_with_brackets_is_shown_as_it_is(call: Call, tmp_path: Path) -> None:
    place = tmp_path / "[bold]" / "[" / "red]"
    refused(call("check", place), str(place))
    assert str(place) in call("check", record(place, healthy()))[1]


def raising(cause: BaseException) -> Callable[..., Any]:
    def check(*_: object, **__: object) -> Any:
        raise cause

    return check


@pytest.mark.parametrize(
    ("cause", "code", "line"),
    [
        (UsageError("no [/such] thing"), 64, "error: no [/such] thing"),
        (HarnessError("oh"), 70, "error: oh"),
        (CommandFailed("docker ended with 1", 1, ""), 70, "error: docker ended with 1"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (typer.Abort(), 130, "interrupted"),
    ],
)
def test_every_error_is_one_line_and_its_code(
    call: Call, monkeypatch: pytest.MonkeyPatch, cause: BaseException, code: int, line: str
) -> None:
    monkeypatch.setattr(recorded, "check", raising(cause))
    assert call("check", "x") == (code, "", f"{line}\n")


def test_a_defect_of_ours_shows_where(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "check", raising(ZeroDivisionError("by [/zero]")))
    code, _, err = call("check", "x")
    assert code == 70
    assert "ZeroDivisionError: by [/zero]" in err
    assert "this is a defect of the harness" in err.splitlines()[-1]


texts = st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=30)


@given(texts.map(str.strip), texts.map(str.strip))
def test_whatever_a_check_says_is_shown(name: str, because: str) -> None:
    check = Check(
        name=f"n{name}n",
        verdict=Verdict.FAIL,
        measure=1.5,
        limit=1,
        unit="s",
        origin="",
        because=f"b{because}b",
    )
    outcome = Outcome(run_id="r", experiment="e", stack="s", verdict=Verdict.FAIL, checks=(check,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "300")
        console = Console(record=True, file=open(os.devnull, "w"), width=300)  # noqa: SIM115
        patch.setattr(shown, "out", console)
        shown.show([Row(outcome, Path("somewhere"))])
        console.file.close()
    said = console.export_text()
    assert f"n{name}n" in said
    assert f"b{because}b" in said


def test_the_engine_is_never_installed_without_a_word(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    found = engine.Engine(running=False, installed=False, installable=True)
    monkeypatch.setattr(engine, "look", lambda settings: found)
    climbed: list[Settings] = []

    def climb(settings: Settings, display: object, only: str | None) -> float:
        climbed.append(settings)
        return 0.0

    monkeypatch.setattr(steps, "climb", climb)
    for command in ("up", "images"):
        code, out, err = call(command)
        assert (code, climbed) == (64, [])
        assert "it will be unpacked from Debian's packages" in out
        assert "you did not allow one; install it, or pass --yes" in err
    assert call("images", "--yes")[0] == 0
    climbed.clear()
    assert call("up", "--yes")[0] == 0
    monkeypatch.setenv("CI", "true")
    assert call("up")[0] == 0
    assert len(climbed) == 2


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("harness sum", {"summary"}),
        ("harness up --st", {"--step", "--stack"}),
        ("harness up --stack celery-", {f"celery-{name}" for name in ("archive", "ha", "keda", "previous", "single")}),
        ("harness schema s", {"slo", "schedules"}),
    ],
)
def test_the_shell_completes_commands_options_and_what_they_take(typed: str, offered: set[str]) -> None:
    words = {"_HARNESS_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    done = subprocess.run(
        [str(Path(sys.executable).parent / "harness")],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, **words},
    )
    assert (done.returncode, set(done.stdout.split()), done.stderr) == (0, offered, "")


def test_as_a_program_of_its_own(tmp_path: Path) -> None:
    """`python -m harness` is the same command line; `harness` is its script."""
    env = {**os.environ, "AIRFLOW_CHAOS_CACHE": str(tmp_path)}
    for program in ([sys.executable, "-m", "harness"], [str(Path(sys.executable).parent / "harness")]):
        done = subprocess.run(
            [*program, "check", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=env,
            cwd=ROOT,
        )
        assert done.returncode == 64
        assert done.stdout == ""
        assert done.stderr == (f"error: {tmp_path} has no history.jsonl; name a folder in reports/ or examples/runs/\n")


def test_rbac_prints_what_can_be_applied(call: Call) -> None:
    code, out, _ = call("rbac", str(ROOT / "experiments" / "scheduler-kill.json"), "--account", "home/somebody")
    assert code == 0
    assert out.startswith("# Not by any Role, but by docker on this machine: kill_pods.\n")
    kinds = [one["kind"] for one in yaml.safe_load_all(out)]
    assert kinds == ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", *["Role", "RoleBinding"] * 2]


def test_rbac_prints_what_an_audit_needs(call: Call) -> None:
    code, out, _ = call("rbac", "--audit", "--namespace", "data-platform")
    documents = list(yaml.safe_load_all(out))
    assert code == 0
    assert documents[0]["metadata"] == {"name": "airflow-chaos", "namespace": "data-platform"}
    assert {verb for one in documents for rule in one.get("rules", ()) for verb in rule["verbs"]} == {"list"}
    assert "secrets" not in out


def test_rbac_gives_an_experiment_nothing_of_an_audit(call: Call) -> None:
    code, _, said = call("rbac", str(ROOT / "experiments" / "null.json"), "--audit")
    assert (code, len(said.splitlines())) == (64, 1)
    assert "--audit" in said


def test_rbac_refuses_an_account_that_is_none(call: Call) -> None:
    code, out, said = call("rbac", str(ROOT / "experiments" / "null.json"), "--account", "somebody")
    assert (code, out) == (64, "")
    assert "give it as namespace/name" in said


def test_a_recorded_run_is_handed_on(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("summary") == (0, "there is no judged run yet; run an experiment first\n", "")
    folder = record(tmp_path / "reports" / "run-1", bad(healthy(), 25, 40))
    recorded.check(folder, save=True)
    assert call("trace", folder) == (0, f"{folder / 'trace.json'}\n", "")
    assert call("metrics", folder) == (0, f"{folder / 'metrics.prom'}\n", "")
    assert json.loads((folder / "trace.json").read_text(encoding="utf-8"))["resourceSpans"]
    assert (folder / "metrics.prom").read_text(encoding="utf-8").endswith("# EOF\n")
    code, out, _ = call("summary")
    assert (code, out.splitlines()[-1]) == (0, f"FAIL scheduler-kill on celery: {folder / 'report.html'}")
    assert call("summary", "--format", "md")[1].startswith("### airflow-chaos: 1 FAIL\n")
    refused(call("summary", "--format", "html"), "'html' is not one of")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    refused(call("summary", "--step-summary"), "GITHUB_STEP_SUMMARY is not set")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "page.md"))
    (tmp_path / "page.md").write_text("before\n", encoding="utf-8")
    assert call("summary", "--step-summary") == (0, "", "")
    assert (tmp_path / "page.md").read_text(encoding="utf-8").startswith("before\n### airflow-chaos: 1 FAIL\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "page.md"))
    assert call("summary", "--step-summary")[0] == 74


def test_schemas_are_printed_by_name(call: Call) -> None:
    code, out, _ = call("schema", "known")
    assert (code, json.loads(out)["title"]) == (0, "airflow-chaos: known")
    refused(call("schema", "nothing"), "no schema is called 'nothing'; there are: block, experiment, slo")


def test_a_new_experiment_is_written_with_what_it_lacks(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an installed package: in the working directory, beside which nothing is the suite's."""
    shutil.copy(ROOT / "slo.yaml", tmp_path / "slo.yaml")
    monkeypatch.setattr(settings, "INSTALLED", True)
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("new", "rainy-day", "--component", "worker", "--format", "yaml")
    assert code == 0
    assert out.startswith(f"{tmp_path / 'experiments' / 'rainy-day.yaml'}\n")
    lacking, _, _ = out.partition("\n\nharness validate experiments/rainy-day.yaml then says")
    assert lacking.endswith("tuned:\n  celery:\n    rainy-day: {}")
    refused(call("new", "rainy-day"), "rainy-day.yaml already")
    refused(call("new", "Rainy day"), "not a name for an experiment")
    refused(call("validate", "experiments/rainy-day.yaml"), "rainy-day")
    own = (
        (tmp_path / "slo.yaml")
        .read_text(encoding="utf-8")
        .replace("\n  celery:\n", "\n  celery:\n    rainy-day: {}\n", 1)
    )
    (tmp_path / "slo.yaml").write_text(own, encoding="utf-8")
    code, out, _ = call("validate", "experiments/rainy-day.yaml")
    assert (code, out.splitlines()[0].partition(";")[0]) == (0, "rainy-day.yaml is valid on celery")


@pytest.mark.parametrize(
    "words",
    [
        ("catalogue",),
        ("trend", "--record"),
        ("trend", "--markdown"),
        ("mutants", "--publish"),
        ("sweep", "pods", "--publish"),
    ],
)
def test_pages_of_the_suite_are_written_in_a_checkout_alone(
    call: Call, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(settings, "INSTALLED", True)
    refused(call(*words), "run it in a checkout")


def test_several_experiments_are_all_looked_at_first(call: Call, tmp_path: Path) -> None:
    slo(tmp_path)
    good = small(tmp_path)
    refused(call("run", good, tmp_path / "lost.json"), "there is no experiment", "lost.json")
    refused(call("run", good, good, "--repeat", 2), "name one")
    refused(call("run", good, good), "the stack is not up")
    assert not (tmp_path / "reports").exists()

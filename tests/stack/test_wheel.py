"""The installed wheel on the real stack, from a directory that has nothing of the checkout."""

from __future__ import annotations

import json
import os

import pytest

from harness.history import History
from harness.kube import Kube
from harness.outcome import Outcome
from harness.settings import ROOT, Settings
from tests.stack.test_commands import SHORT, pods
from tests.wheel import Wheel, install

pytestmark = [pytest.mark.stack, pytest.mark.long]
# Where the stack is, as this process is told; but not where its reports go.
STACK = {
    name: value
    for name, value in os.environ.items()
    if name.startswith("AIRFLOW_CHAOS_") and name not in ("AIRFLOW_CHAOS_REPORTS", "AIRFLOW_CHAOS_SLO_FILE")
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    return install(tmp_path_factory.mktemp("wheel"))


def test_it_takes_the_stack_for_its_own_and_replaces_nothing(wheel: Wheel, settings: Settings) -> None:
    """So its manifests and recipes are, to the last byte that matters, those of the checkout."""
    before = pods(settings)
    done = wheel.call("harness", "up", timeout=1800, **STACK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert pods(settings) == before


def test_it_names_what_an_experiment_of_its_own_would_hit(wheel: Wheel, kube: Kube, settings: Settings) -> None:
    done = wheel.call("harness", "run", "experiments/scheduler-kill.json", "--dry-run", timeout=120, **STACK)
    assert done.returncode == 0, done.stdout + done.stderr
    schedulers = [pod.name for pod in kube.pods(settings.namespace) if pod.component == "scheduler"]
    assert schedulers
    assert all(name in done.stdout for name in schedulers)


def test_it_runs_an_experiment_of_the_users_and_reports_beside_it(wheel: Wheel) -> None:
    raw = json.loads((ROOT / "experiments" / "null.json").read_text(encoding="utf-8"))
    raw["extensions"][0]["phases"] = SHORT
    path = wheel.there / "experiments" / "null.json"
    path.parent.mkdir()
    path.write_text(json.dumps(raw), encoding="utf-8")
    done = wheel.call("harness", "run", "experiments/null.json", "--quiet", timeout=600, **STACK)
    (folder,) = (one for one in (wheel.there / "reports").iterdir() if (one / "history.jsonl").is_file())
    history = History.read(folder / "history.jsonl")
    assert history.problem is None, done.stdout + done.stderr
    assert history.meta is not None
    assert history.meta.experiment == "null"
    assert "+" not in history.meta.versions["airflow-chaos"]  # no commit: it is run from no checkout
    assert Outcome.load(folder / "verdict.json").verdict.exit_code == done.returncode
    assert (folder / "report.html").is_file()

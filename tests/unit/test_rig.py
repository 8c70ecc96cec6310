"""What watches a run is laid out without touching anything; where there is no ledger, Airflow is asked instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.experiment import check
from harness.history import Recorder
from harness.kube import Kube
from harness.ledger import Ledger
from harness.observe import at_work
from harness.preflight import Ground, describe
from harness.rig import Rig
from harness.settings import Settings
from harness.stack.access import Access
from tests.unit.kube.cluster import settings_for
from tests.unit.loopback import Reply, Request, Server, serving
from tests.unit.plans import experiment
from tests.unit.test_airflow import airflow_like

ONE = check("x", experiment(recovery=["dag_seen"]))
NOBODY = Ledger(1)  # nothing answers there


class Calibrated:
    def model_dump(self) -> dict[str, Any]:
        return {}


def busy(_: Request) -> Reply:
    task = {"id": "7", "dag_run_id": "run-1-w-0001", "task_id": "t", "map_index": -1, "try_number": 1}
    said = {**task, "start_date": None, "hostname": "worker-0.workers", "state": "running"}
    return Reply(200, {"task_instances": [said], "total_entries": 1})


def rig(tmp_path: Path, airflow: Server, cluster: Server, ledger: Ledger | None) -> Rig:
    settings = settings_for(tmp_path, cluster.url)
    access = Access(airflow.url, "pw", ledger)
    return Rig(ONE.plan, settings, Kube(settings), access, Recorder.create(tmp_path / "run-1" / "history.jsonl"), {})


def test_without_a_ledger_airflow_says_who_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_work, "IN_THE_MIDST_S", (0.0, 60.0))
    with serving(airflow_like(busy)) as airflow, serving(lambda _: Reply(404, {})) as cluster:
        one = rig(tmp_path, airflow, cluster, None)
        assert one.at_work() == {"worker-0": frozenset({"7"})}
        assert one.stop() == []


def test_where_there_is_one_airflow_is_not_asked(tmp_path: Path) -> None:
    with serving(airflow_like(busy)) as airflow, serving(lambda _: Reply(404, {})) as cluster:
        one = rig(tmp_path, airflow, cluster, NOBODY)
        assert one.at_work() == {}
        assert airflow.asked == []
        assert one.stop() == []


@pytest.mark.parametrize("ledger", [None, NOBODY])
def test_the_first_line_says_whether_there_is_a_ledger(tmp_path: Path, ledger: Ledger | None) -> None:
    settings = Settings()
    access = Access("http://127.0.0.1:1", "pw", ledger)
    ground = Ground(None, access, {}, (), {}, Calibrated(), (), ())  # type: ignore[arg-type]
    assert describe(ONE, settings, ground, {}, "run-1", {}).ledger is (ledger is not None)

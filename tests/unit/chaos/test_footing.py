"""A harness in a pod hits neither its node nor its namespace; it says which, before anything is touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.footing import underfoot
from harness.errors import FaultRefused
from harness.history import Recorder
from harness.kube import Pod
from harness.safety import Blast
from harness.settings import Settings
from tests.unit.chaos.test_strike import BASE

INSIDE = Settings(own_node="here", own_namespace="airflow-chaos")


def away(**more: Any) -> Pod:
    return replace(BASE, **{"name": "scheduler-0", "uid": "u", **more})


@pytest.mark.parametrize(
    ("namespace", "blow", "said"),
    [
        ("airflow", Blow(nodes=["here"]), "here is the node that the harness runs on"),
        ("airflow", Blow([away()], ["there", "here"]), "here is the node"),
        ("airflow-chaos", Blow([away()]), "airflow-chaos is the namespace that the harness runs in"),
        ("airflow", Blow([away(namespace="airflow-chaos")]), "airflow-chaos is the namespace"),
    ],
)
def test_what_it_stands_on_is_named(namespace: str, blow: Blow, said: str) -> None:
    found = underfoot(INSIDE, namespace, blow)
    assert found
    assert said in found
    assert underfoot(Settings(), namespace, blow) is None  # on a machine of its own it stands on neither


def test_what_is_elsewhere_may_be_hit_and_so_may_a_pod_beside_it() -> None:
    assert underfoot(INSIDE, "airflow", Blow([away(node="here")], ["there"])) is None
    assert underfoot(INSIDE, "airflow", Blow()) is None


class Cluster:
    """Allows everything, and says whether it was asked."""

    asked = False

    def confirm(self, namespace: str) -> None:
        self.asked = True

    def pods(self, namespace: str) -> list[Pod]:
        return [away()]


def test_it_is_refused_at_the_moment_of_the_blow_and_nobody_is_asked(tmp_path: Path) -> None:
    recorder, cluster = Recorder.create(tmp_path / "history.jsonl"), Cluster()
    wide = Blast(pods=9, share=1, nodes=9, seconds=600)
    context = Context(INSIDE, cluster, recorder, 1, {}, ("airflow",), blast=wide)  # type: ignore[arg-type]
    with pytest.raises(FaultRefused, match="nothing more was broken: here is the node that the harness runs on"):
        context.permit("airflow", Blow([away()], ["here"]))
    assert not cluster.asked
    assert context.reach.since is None
    context.permit("airflow", Blow([away()], ["there"]))
    assert cluster.asked
    recorder.close()

"""Who is in the middle of a task is asked of Airflow, and ages are counted by when a task was first seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.airflow import Airflow
from harness.answers import TaskState
from harness.observe.at_work import AtWork
from harness.observe.ledger import IN_THE_MIDST_S
from tests.unit.builders import at


class Little(Airflow):
    """Says what is at work now."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tasks: dict[str, tuple[float, float, str]] = {}  # id → began, ends, host

    def running(self, prefix: str) -> list[TaskState]:
        return [
            TaskState(id=name, run_id=f"{prefix}-1", task_id="t", map_index=-1, number=1, started=None, hostname=host)
            for name, (began, ends, host) in self.tasks.items()
            if began <= self.now < ends
        ]


def looking() -> tuple[Little, AtWork]:
    airflow = Little()
    return airflow, AtWork(airflow, "p", lambda: at(airflow.now))


def test_one_that_began_a_while_ago_and_has_its_work_before_it_is_told_by_its_pod() -> None:
    airflow, asked = looking()
    airflow.tasks = {"a": (20.0, 32.0, "worker-0.workers.flow.svc.cluster.local"), "b": (24.9, 26.0, "worker-1")}
    found = {}
    for tenth in range(150, 350):
        airflow.now = tenth / 10
        found[airflow.now] = asked.at_work()
    assert found[21.0] == {}
    assert found[23.0] == {"worker-0": frozenset({"a"})}
    assert found[29.0] == {}
    assert all(held in ({}, {"worker-0": frozenset({"a"})}) for held in found.values())


def test_of_what_was_there_at_the_first_look_nobody_knows_the_age() -> None:
    airflow, asked = looking()
    airflow.tasks = {"a": (10.0, 90.0, "w")}
    for second in range(20, 80):
        airflow.now = second
        assert asked.at_work() == {}


@given(began=st.floats(20, 60), every=st.floats(0.1, 1.5))
def test_none_is_told_that_is_younger_or_older_than_it_may_be(began: float, every: float) -> None:
    airflow, asked = looking()
    airflow.tasks = {"a": (began, began + 12, "w")}
    airflow.now = 15.0
    while airflow.now < 80:
        if asked.at_work():
            assert IN_THE_MIDST_S[0] - every <= airflow.now - began <= IN_THE_MIDST_S[1] + 0.01
        airflow.now += every

"""Which pods a selector's pick comes to: only those that run, and the same ones for the same seed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos import strike
from harness.chaos.strike import ANY, Only, choose, chosen
from harness.errors import FaultError
from harness.kube import Pod

BASE = Pod("airflow", "", "", "n", "scheduler", "Running", True, 0, None, False, (), "")
some_pods = st.lists(
    st.builds(
        lambda name, phase, deleting: replace(BASE, name=name, uid=name, phase=phase, deleting=deleting),
        st.text("abc", min_size=1, max_size=3),
        st.sampled_from(["Running", "Running", "Pending", "Succeeded"]),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda pod: pod.name,
)
seeds = st.integers(0, 2**32)


def running(found: list[Pod]) -> list[Pod]:
    return sorted((p for p in found if p.phase == "Running" and not p.deleting), key=lambda p: p.name)


@given(some_pods, seeds)
def test_all_are_those_that_run(found: list[Pod], seed: int) -> None:
    assert choose(found, "all", seed) == running(found)


@given(some_pods, seeds, st.randoms(use_true_random=False))
def test_one_is_one_of_those_that_run_and_the_seeds_own(found: list[Pod], seed: int, random: object) -> None:
    chosen = choose(found, "one", seed)
    assert len(chosen) == min(1, len(running(found)))
    assert set(chosen) <= set(running(found))
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert choose(shuffled, "one", seed) == chosen


def test_every_pod_can_be_the_one() -> None:
    found = [replace(BASE, name=name) for name in "abc"]
    assert {choose(found, "one", seed)[0].name for seed in range(50)} == set("abc")


@given(some_pods, seeds)
def test_all_but_one_are_the_others(found: list[Pod], seed: int) -> None:
    spared = choose(found, "one", seed)
    rest = choose(found, "all-but-one", seed)
    assert sorted([*spared, *rest], key=lambda p: p.name) == running(found)


@given(some_pods, seeds)
def test_of_those_at_work_the_seed_picks_as_of_all(found: list[Pod], seed: int) -> None:
    assert choose(found, "one-at-work", seed) == choose(found, "one", seed)


class Cluster:
    """Of Kubernetes, what is asked for here."""

    def __init__(self, *pods: Pod) -> None:
        self._pods = pods

    def guard(self, namespace: str) -> None:
        assert namespace == "airflow"

    def pods(self, namespace: str, selector: str) -> list[Pod]:
        assert (namespace, selector) == ("airflow", "component=worker")
        return list(self._pods)


def hit(pick: str, *busy: frozenset[str], spared: frozenset[str] = frozenset(), only: Only = ANY) -> set[str]:
    """The names of what is chosen of worker-a on node n and worker-b on node m, while `busy` hold tasks, in turn."""
    pods = [replace(BASE, name="worker-a", node="n"), replace(BASE, name="worker-b", node="m")]
    turns = iter(busy)
    found = {
        pod.name
        for seed in range(20)
        for context in [
            SimpleNamespace(kube=Cluster(*pods), seed=seed, at_work=lambda: dict.fromkeys(next(turns, busy[-1])))
        ]
        for pod in chosen(context, "airflow", "component=worker", pick, spared=spared, only=only)  # type: ignore[arg-type]
    }
    assert found
    return found


def test_only_what_holds_a_task_is_at_work() -> None:
    assert hit("one", frozenset()) == {"worker-a", "worker-b"}
    assert hit("one-at-work", frozenset({"worker-b", "worker-c"})) == {"worker-b"}


def test_a_task_is_waited_for() -> None:
    assert hit("one-at-work", frozenset(), frozenset({"worker-b"})) == {"worker-b"}


def test_what_is_on_a_spared_node_is_left_out() -> None:
    assert hit("all", frozenset(), spared=frozenset({"n"})) == {"worker-b"}
    with pytest.raises(FaultError, match="with pick one leaves no running pod in airflow to hit"):
        hit("one", frozenset(), spared=frozenset({"n", "m"}))


def test_the_one_that_is_named_or_those_on_a_node_alone_are_chosen() -> None:
    assert hit("one", frozenset(), only=Only("worker-a")) == {"worker-a"}
    assert hit("all", frozenset(), only=Only(node="m")) == {"worker-b"}
    assert hit("one-at-work", frozenset({"worker-a"}), frozenset({"worker-b"}), only=Only("worker-b")) == {"worker-b"}
    with pytest.raises(FaultError, match="with pick all and name worker-c leaves no running pod"):
        hit("all", frozenset(), only=Only("worker-c"))


def by_role(pick: str, *turns: dict[str, str]) -> tuple[set[str], dict[str, str]]:
    """Who is chosen while these are the roles, in turn, and what is noted of them."""
    pods = [replace(BASE, name=name, uid=f"uid-{name}") for name in ("worker-a", "worker-b", "worker-c")]
    said = iter(turns)
    context = SimpleNamespace(kube=Cluster(*pods), seed=1, picked={}, roles=lambda: next(said, turns[-1]))
    found = chosen(context, "airflow", "component=worker", pick)  # type: ignore[arg-type]
    return {pod.name for pod in found}, context.picked


def test_a_role_is_waited_for_and_noted() -> None:
    agreed = {"worker-a": "standby", "worker-b": "primary"}
    assert by_role("primary", {}, agreed) == ({"worker-b"}, {"uid-worker-b": "primary"})
    assert by_role("standby", agreed) == ({"worker-a"}, {"uid-worker-a": "standby"})


def test_no_primary_in_time_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strike, "ARISES_WITHIN_S", 0.3)
    with pytest.raises(FaultError, match="with pick primary leaves no running pod in airflow to hit"):
        by_role("primary", {"worker-a": "standby"})


def test_nobody_at_work_in_time_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strike, "ARISES_WITHIN_S", 0.3)
    with pytest.raises(FaultError, match="with pick one-at-work leaves no running pod in airflow to hit"):
        hit("one-at-work", frozenset({"worker-c"}))


def test_another_pick_is_refused() -> None:
    with pytest.raises(FaultError, match="not 'some'; nothing was done"):
        choose([BASE], "some", 0)

"""Which pods a selector's pick comes to: only those that run, and the same ones for the same seed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos.strike import choose
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


def test_another_pick_is_refused() -> None:
    with pytest.raises(FaultError, match="not 'some'; nothing was done"):
        choose([BASE], "some", 0)

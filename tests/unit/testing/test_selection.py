"""Which experiments a call of pytest offers."""

from __future__ import annotations

import subprocess
import sys
from itertools import groupby
from typing import get_args

import pytest

from harness.settings import ROOT, STACKS, Profile, Settings
from harness.testing.selection import Case, cases, offered, part

ALL = cases()


def names(chosen: list[Case]) -> list[str]:
    return [case.name for case in chosen]


def test_the_stacks_are_those_that_can_be_stood_up() -> None:
    there = {Settings(stack=stack, profile=profile).deployment for stack in STACKS for profile in get_args(Profile)}
    assert there == {path.name for path in (ROOT / "deploy" / "overlays").iterdir()}


def test_stacks_switch_as_seldom_as_can_be() -> None:
    turns = [stack for stack, _ in groupby(case.stack for case in ALL)]
    assert turns == list(STACKS)


def test_without_a_word_the_quick_ones_are_offered() -> None:
    chosen = offered(ALL, [], "chaos", "")
    assert {case.stack for case in chosen} == {"celery"}
    assert {"null-on-celery", "scheduler-kill-on-celery", "webserver-kill-on-celery"} <= set(names(chosen))
    assert len(chosen) < len(ALL) / 2


def test_nightly_and_a_pattern_offer_all() -> None:
    assert offered(ALL, [], "chaos and nightly", "") == ALL
    assert offered(ALL, [], "chaos", "worker") == ALL
    assert len(offered(ALL, [], "fortnightly", "")) < len(ALL)


def test_a_profile_offers_what_has_bounds_in_it() -> None:
    of_defaults = names(cases("defaults"))
    assert {"null-on-celery", "scheduler-kill-on-celery", "worker-kill-on-celery"} <= set(of_defaults) < set(names(ALL))


def test_a_stack_offers_all_of_its_own() -> None:
    chosen = offered(ALL, ["local"], "chaos", "")
    assert chosen == [case for case in ALL if case.stack == "local"] != []


def test_smoke_is_of_the_default_stack_alone() -> None:
    smoke = [case.name for case in ALL if "smoke" in case.marks]
    assert smoke == ["null-on-celery", "scheduler-kill-on-celery", "webserver-kill-on-celery"]
    assert all({"chaos", "nightly", case.stack} <= set(case.marks) for case in ALL)


@pytest.mark.parametrize("of", [1, 2, 5, 100])
def test_the_parts_are_all_of_it_each_once_and_about_as_large(of: int) -> None:
    parts = [part(ALL, f"{number}/{of}") for number in range(1, of + 1)]
    assert sorted(names([case for one in parts for case in one])) == sorted(names(ALL))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("said", ["", "0/2", "3/2", "1/0", "1", "1/2/3", "a/b", "-1/2", "1/2 "])
def test_what_is_no_part_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="it is K/N"):
        part(ALL, said)


def collected(*options: str) -> subprocess.CompletedProcess[str]:
    """What a call of pytest with these options would run."""
    call = [sys.executable, "-m", "pytest", "tests/chaos", "--collect-only", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--repeat", "0"), "repeat must be 1 or more: no run is no verdict"),
        (("--profile", "defaults", "--stack", "celery-keda"), "no experiment has bounds on celery-keda"),
        (("--stack", "nonesuch"), "stack nonesuch: there is no such stack"),
    ],
)
def test_a_call_that_would_run_nothing_is_no_success(options: tuple[str, ...], said: str) -> None:
    found = collected(*options)
    assert found.returncode != 0
    assert said in found.stdout


def test_the_profile_is_also_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CHAOS_PROFILE", "defaults")
    found = collected("-m", "chaos and nightly")
    assert found.stdout.count("::test_experiment[") == len(cases("defaults"))

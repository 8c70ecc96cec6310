"""A machine that is too small is refused with what it has and what is needed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.settings import Settings
from harness.stack import machine
from harness.stack.machine import DISK_BUILD, DISK_START, GB, MEMORY, Machine

sizes = st.integers(0, 60 * GB)


@given(sizes, sizes, st.sampled_from([DISK_BUILD, DISK_START]))
def test_only_a_machine_with_room_and_memory_is_taken(disk: int, memory: int, needed: int) -> None:
    found = Machine(disk, memory, 2)
    if disk >= needed and memory >= MEMORY:
        found.refuse_if_too_small(needed)
    else:
        with pytest.raises(UsageError, match="GB"):
            found.refuse_if_too_small(needed)


def test_the_refusal_names_what_is_short() -> None:
    with pytest.raises(UsageError, match="3 GB of disk are free and 30 GB are needed"):
        Machine(3 * GB, MEMORY, 2).refuse_if_too_small(30 * GB)
    with pytest.raises(UsageError, match="4 GB of memory and the stack needs 8 GB"):
        Machine(DISK_BUILD, 4 * GB, 2).refuse_if_too_small(DISK_BUILD)


def test_a_build_needs_more_room_than_a_start() -> None:
    assert DISK_BUILD > DISK_START


def test_this_machine_is_measured_where_the_cache_will_be_though_it_is_not_there_yet(tmp_path: Path) -> None:
    cache = tmp_path / "not" / "made" / "yet"
    found = machine.look(Settings(cache=cache))
    assert found.disk > 0
    assert found.memory > 0
    assert found.cores >= 1
    assert not (tmp_path / "not").exists()


def test_a_machine_is_known_by_processor_cores_and_memory() -> None:
    """What changes with every start or update of the same machine is no part of it."""
    found = machine.fingerprint()
    assert found == machine.fingerprint()
    assert re.fullmatch(r"\S.*, [1-9]\d* cores, [1-9]\d* GiB", found)

"""What `make test` forgives a run on slow processors, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import recorded
from harness.pace import SLOWEST
from harness.testing.experiments import excuse
from tests.unit.builders import bad, healthy
from tests.unit.judge.test_machine import paced
from tests.unit.test_recorded import record

BROKEN = bad(healthy(), 25, 40)


@pytest.mark.parametrize(("broken", "times", "says"), [(False, 9.0, ""), (True, SLOWEST, ""), (True, 2.0, "2.0 times")])
def test_only_a_bad_run_on_slow_processors_is_excused(tmp_path: Path, broken: bool, times: float, says: str) -> None:
    folder = record(tmp_path / "run", paced(BROKEN if broken else healthy(), 1.0, times, times))
    found = excuse(recorded.check(folder), folder)
    assert found is None if not says else says in str(found) and str(folder) in str(found)

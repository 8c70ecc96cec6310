"""One experiment at a time, and no lock outlives its holder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.commands.console import Progress
from harness.errors import UsageError
from harness.locking import only_one
from harness.settings import Settings
from harness.stack import steps

HOLDER = """
import sys, time
from pathlib import Path
from harness.locking import only_one
from harness.stack import steps
from harness.settings import Settings
lock = only_one(Settings(cache=Path(sys.argv[1])))
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_experiment_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path / "cache")
    first = only_one(settings)
    for _ in range(2):
        with pytest.raises(UsageError, match="another experiment is running"):
            only_one(settings)
    first.close()
    only_one(settings).close()


def test_the_stack_is_brought_up_by_one_alone_whatever_runs(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path)
    with only_one(settings), only_one(settings, "stack"):
        with pytest.raises(UsageError, match="another harness is bringing the stack up or down"):
            only_one(settings, "stack")
        with pytest.raises(UsageError, match="another harness is bringing the stack up or down"):
            steps.climb(settings, Progress(), "steady")


def test_another_cache_is_another_machine(tmp_path: Path) -> None:
    with only_one(Settings(cache=tmp_path / "one")), only_one(Settings(cache=tmp_path / "two")):
        pass


def test_the_lock_goes_with_a_process_that_was_killed(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path)
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another experiment is running"):
            only_one(settings)
        holder.kill()
    only_one(settings).close()

"""The version of the suite's DAG files: a tag on each DAG, computed from the files in this folder.

So nobody has to bump a number, and a file that was left behind, or changed on its way, cannot carry another's tag. The
harness computes the tag of its own files, and refuses a run if they differ.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

FILES = (
    "chaos_backlog.py",
    "chaos_deferred.py",
    "chaos_long.py",
    "chaos_noop.py",
    "chaos_race.py",
    "chaos_scheduled.py",
    "chaos_triggered.py",
    "chaos_workload.py",
    "dags_version.py",
    "ledger_marks.py",
    "scheduled_tasks.py",
    "schedules.json",
    "triggered_wait.py",
)
PREFIX = "airflow-chaos-v"


def tag(folder: Path) -> str:
    """The tag of the files there. A missing one counts as empty: a DAG must not fail for want of another's file."""
    digest = hashlib.sha256()
    for name in FILES:
        path = folder / name
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return f"{PREFIX}{digest.hexdigest()[:8]}"


TAGS = ("airflow-chaos", tag(Path(__file__).parent))

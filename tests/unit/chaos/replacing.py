"""A cluster that is played, whose pods have one process each and whose nodes are all on, and a run that acts on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.chaos.context import Context
from harness.history import Recorder
from harness.kube import Kube, nodes, power
from harness.safety import Blast
from tests.unit.kube.cluster import settings_for
from tests.unit.loopback import Reply, Request, serving

ID = "ab" * 32


@contextmanager
def acting(
    cluster: Callable[[Request], Reply],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    expected: dict[str, int],
    blast: Blast,
) -> Iterator[Context]:
    """`expected` are the pods wanted, by component."""
    monkeypatch.setattr(nodes, "find", lambda *_: {ID: (nodes.Process(1, 1),)})
    monkeypatch.setattr(nodes, "alive", lambda *_: {})
    monkeypatch.setattr(power, "off", lambda _: [])
    recorder = Recorder.create(folder / "history.jsonl")
    with serving(cluster) as server:
        settings = settings_for(folder, server.url)
        yield Context(settings, Kube(settings), recorder, 0, expected, ("airflow",), blast)
    recorder.close()

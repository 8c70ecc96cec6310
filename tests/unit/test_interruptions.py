"""Whatever ends an experiment ends it at once: no pause and no action follow, and the control, which undoes, hears."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest
from chaoslib.experiment import run_experiment

from harness import control, signals
from harness.observe.brake import Brake

LONG_S = 60.0
SIGNALS = (signal.SIGTERM, signals.STOP, signal.SIGINT)
seen: list[str] = []
configure_control = control.configure_control


def after_method_control(context: Any) -> None:
    seen.append("method")


def after_experiment_control(context: Any, state: dict[str, Any]) -> None:
    seen.append(state["status"])


def note() -> None:
    seen.append("went on")


def brake() -> None:
    """An action that lasts until the brake ends it."""
    Brake([lambda: "enough"], lambda _: signals.stop()).start()
    time.sleep(LONG_S)


def hear(sign: int) -> None:
    """An action that lasts until a signal ends it."""
    threading.Timer(0.2, os.kill, (os.getpid(), sign)).start()
    time.sleep(LONG_S)


def refuse() -> None:
    """An action that ends the run itself, as where a fault is refused."""
    signals.stop()
    seen.append("went on")


def act(func: str, **arguments: int) -> dict[str, Any]:
    provider = {"type": "python", "module": __name__, "func": func, "arguments": arguments}
    return {"type": "action", "name": func, "provider": provider, "pauses": {"after": LONG_S}}


@pytest.mark.parametrize(
    "action", [act("brake"), act("refuse"), *(act("hear", sign=int(sign)) for sign in SIGNALS)], ids=lambda a: a["name"]
)
def test_it_ends_at_once(action: dict[str, Any]) -> None:
    seen.clear()
    before = [signal.getsignal(sign) for sign in SIGNALS]
    began = time.monotonic()
    journal = run_experiment(
        {
            "title": "t",
            "description": "d",
            "controls": [{"name": "c", "provider": {"type": "python", "module": __name__}}],
            "method": [action, act("note")],
            "rollbacks": [],
        }
    )
    assert time.monotonic() - began < LONG_S
    assert journal["status"] == "interrupted"
    assert seen == ["method", "interrupted"]
    assert [signal.getsignal(sign) for sign in SIGNALS] == before

"""What is left of what was written, once nobody writes any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from harness.airflow import Airflow
from harness.errors import HarnessError
from harness.history import Op, Recorder


def read(door: Callable[[], Airflow], recorder: Recorder, paths: Iterable[str]) -> None:
    """Ask once for each Variable at these paths, each over a new connection with a login of its own.

    Op `kept`: ok, it holds this `value`; fail, there is none; info, nobody knows. `asked` is when, in nanoseconds of
    the run.
    """
    for path in paths:
        asked, one = recorder.now(), door()
        kind: Literal["ok", "fail", "info"] = "info"
        value: dict[str, object] = {"path": path, "asked": asked}
        try:
            held = one.variable(path)
            kind = "fail" if held is None else "ok"
            value["value"] = held
        except HarnessError as cause:
            value["error"] = str(cause)
        finally:
            one.close()
        recorder.write(Op(t=recorder.now(), process="prober", f="kept", type=kind, value=value))

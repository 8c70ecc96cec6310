"""What is left of the writes once writing has stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from harness.airflow import Airflow
from harness.errors import HarnessError
from harness.history import Op, Recorder

SUCCESS = "success"


def read(door: Callable[[], Airflow], recorder: Recorder, paths: Iterable[str]) -> None:
    """Read each Variable at these paths once, each over a new connection with its own login.

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


def there(door: Airflow, recorder: Recorder, process: str, dag: str, prefix: str) -> None:
    """List once all runs of a DAG that this process triggered, and close the door.

    Op `there`: ok, these `runs` are there, and the `undone` ones have not succeeded but are in these states; info,
    nobody knows. `asked` is when, in nanoseconds of the run.
    """
    asked = recorder.now()
    kind: Literal["ok", "info"] = "info"
    value: dict[str, object] = {"dag": dag, "prefix": prefix, "asked": asked}
    try:
        every = door.runs(dag, prefix)
        value["runs"] = [run.run_id for run in every]
        value["undone"] = {run.run_id: run.state for run in every if run.state != SUCCESS}
        kind = "ok"
    except HarnessError as cause:
        value["error"] = str(cause)
    finally:
        door.close()
    recorder.write(Op(t=recorder.now(), process=process, f="there", type=kind, value=value))

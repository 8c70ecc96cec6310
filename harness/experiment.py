"""A Chaos Toolkit experiment file, and what our extension block in it says.

The file stays valid Chaos Toolkit. The block named `airflow-chaos` under `extensions` says how long the phases are,
what load runs, and which component is the target; everything is checked before anything starts.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from harness import sources
from harness.asking import Probe, Strict
from harness.errors import UsageError
from harness.safety import NOTHING, Blast, Brake
from harness.settings import resolved
from harness.timetables import table

EXTENSION = "airflow-chaos"
CONTROL = "harness.control"


Recovery = Literal[
    "process_gone",
    "replacement_ready",
    "first_heartbeat",
    "first_new_task",
    "orphans_handled",
    "last_delayed_run",
    "workers_consume",
    "waiting_begun",
    "dag_seen",
    "database_writable",
    "broker_writable",
]


def _known(dag: str) -> str:
    if dag not in table().dags:
        raise ValueError(f"{dag!r} is not one of the scheduled DAGs: {', '.join(table().dags)}")
    return dag


Scheduled = Annotated[str, AfterValidator(_known)]
Place = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]


class Phases(Strict):
    """Seconds. The fault phase lasts as long as its actions; cooldown waits for runs in flight, at most this long."""

    baseline_s: float = Field(ge=5, le=600)
    recovery_s: float = Field(ge=5, le=1800)
    cooldown_s: float = Field(ge=5, le=600)


class Workload(Strict):
    """One DAG, triggered at a fixed interval; `tasks` is what the ledger must show for each run."""

    dag: str
    every_s: float = Field(ge=0.2, le=60)
    accept_within_s: float = Field(gt=0, le=300)
    tasks: tuple[tuple[str, int], ...] = ()


class Elsewhere(Strict):
    """What differs on a stack, or in a profile: the phases, the seconds between two runs of the workload, which
    scheduled DAGs run, and how far the faults reach."""

    phases: Phases | None = None
    every_s: float | None = Field(default=None, ge=0.2, le=60)
    schedules: tuple[Scheduled, ...] | None = None
    blast: Blast | None = None


class Plan(Strict):
    """The extension block. The triggers of `writer` count as write requests, like the probe's writes; actions ask for
    `surge`.

    `recovery` are the phases that the experiment owes a bound for, if not all of its component's: what is cut off for a
    while is not replaced. `schedules` are the scheduled DAGs that run meanwhile. `on` says what differs on the stack,
    or in the profile, of this name. `blast` is the most that may be hit, and `brake` when the run is ended. `watch` are
    namespaces to watch in addition to the stack's own, because something in them is hit.
    """

    name: Literal["airflow-chaos"]
    component: str
    seed: int = 0
    blast: Blast = NOTHING
    brake: Brake | None = None
    phases: Phases
    recovery: tuple[Recovery, ...] | None = None
    workload: Workload
    writer: Workload | None = None
    surge: Workload | None = None
    schedules: tuple[Scheduled, ...] = ()
    probe: Probe
    watch: tuple[Place, ...] = ()
    on: dict[str, Elsewhere] = Field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """Whether anything is written whose answer is judged."""
        return self.writer is not None or bool(self.probe.writes)

    def blasts(self) -> list[tuple[str, Blast]]:
        """Every blast radius that is declared, with its place in the block."""
        return [("blast", self.blast), *((f"on.{name}.blast", on.blast) for name, on in self.on.items() if on.blast)]

    def at(self, *names: str) -> Plan:
        """The plan on the stack, and in the profile, of these names."""
        found = self
        for there in (self.on[name] for name in names if name in self.on):
            pace = {} if there.every_s is None else {"every_s": there.every_s}
            changed = {
                "phases": there.phases or found.phases,
                "workload": found.workload.model_copy(update=pace),
                "schedules": found.schedules if there.schedules is None else there.schedules,
                "blast": there.blast or found.blast,
            }
            found = found.model_copy(update=changed)
        return found


class Experiment(BaseModel):
    """A checked experiment: `raw` is what Chaos Toolkit runs, `file` the name of its file, ending and all."""

    model_config = ConfigDict(frozen=True)

    name: str
    file: str
    raw: dict[str, Any]
    plan: Plan

    def at(self, *names: str) -> Experiment:
        """The experiment as it runs on the stack, and in the profile, of these names."""
        return self.model_copy(update={"plan": self.plan.at(*names)})

    def seeded(self, seed: int | None) -> Experiment:
        """The experiment with this seed, if one is given."""
        return self if seed is None else self.model_copy(update={"plan": self.plan.model_copy(update={"seed": seed})})

    def seen_from(self, points: int) -> Experiment:
        """The experiment with this many vantage points, if any. Raises `UsageError` if they are too many."""
        if not points:
            return self
        seen = self.plan.probe.vantage.targets if self.plan.probe.vantage else ()
        said = {
            **self.plan.probe.model_dump(),
            "vantage": {"points": points, "targets": [t.model_dump() for t in seen]},
        }
        try:
            probe = Probe.model_validate(said)
        except ValidationError as cause:
            raise UsageError(f"{self.file}: from {points} vantage points: {cause.errors()[0]['msg']}") from cause
        return self.model_copy(update={"plan": self.plan.model_copy(update={"probe": probe})})

    def method(self) -> list[dict[str, Any]]:
        """The activities of the method."""
        return _tables(self.raw.get("method"))


def load(path: Path) -> Experiment:
    """Read an experiment; the suite's own if there is none of this name here.

    Raises `UsageError` with file and line if it cannot be run.
    """
    path = resolved(path)
    if not path.is_file():
        known = ", ".join(f"{there.parent.name}/{there.name}" for there in sources.files())
        raise UsageError(f"there is no experiment {path}; there are: {known or 'none'}")
    return check(path.stem, sources.read(path), path.name)


def check(name: str, raw: Any, file: str = "") -> Experiment:
    """An experiment from its parsed file; `name` is the file's name without its ending."""
    file = file or sources.named(name).name
    if not isinstance(raw, dict):
        raise UsageError(f"{file}:1: an experiment is a JSON object")
    if CONTROL not in [_table(control.get("provider")).get("module") for control in _tables(raw.get("controls"))]:
        raise UsageError(f"{file} has no control {CONTROL}: without it nothing is recorded, so nothing is judged")
    blocks = [block for block in _tables(raw.get("extensions")) if block.get("name") == EXTENSION]
    if len(blocks) != 1:
        raise UsageError(f"{file} needs one extension block named {EXTENSION}, and has {len(blocks)}")
    try:
        plan = Plan.model_validate(blocks[0])
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{file}: extensions.{EXTENSION}.{where}: {first['msg']}") from cause
    return Experiment(name=name, raw=raw, plan=plan, file=file)


def name_of(title: str) -> str:
    """The name of the file with this title, the user's own first: Chaos Toolkit tells a control no more than that."""
    for path in (*sources.files(sources.own()), *sources.files(), *sources.files(sources.EXAMPLES)):
        with suppress(UsageError):
            if _table(sources.read(path)).get("title") == title:
                return path.stem
    return "unnamed"


def _tables(found: Any) -> list[dict[str, Any]]:
    """The objects of a list; Chaos Toolkit refuses anything else in a file."""
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _table(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}

"""A Chaos Toolkit experiment file, and what our extension block in it asks for.

The file stays valid Chaos Toolkit. The block named `airflow-chaos` under `extensions` says how long the phases are,
what load goes on, and which component is the target; everything is checked before anything starts.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from harness import sources
from harness.errors import UsageError
from harness.safety import NOTHING, Blast, Brake
from harness.settings import ROOT
from harness.timetables import table

EXTENSION = "airflow-chaos"
CONTROL = "harness.control"
VARIABLES = "/api/v2/variables/"


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
]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _known(dag: str) -> str:
    if dag not in table().dags:
        raise ValueError(f"{dag!r} is none of the DAGs that run by themselves: {', '.join(table().dags)}")
    return dag


Scheduled = Annotated[str, AfterValidator(_known)]


class Phases(Strict):
    """Seconds. The fault phase lasts as long as its actions; cooldown waits for runs in flight, at most so long."""

    baseline_s: float = Field(ge=5, le=600)
    recovery_s: float = Field(ge=5, le=1800)
    cooldown_s: float = Field(ge=5, le=600)


class Workload(Strict):
    """One DAG, triggered every so many seconds; `tasks` is what the ledger must show of each run."""

    dag: str
    every_s: float = Field(ge=0.2, le=60)
    accept_within_s: float = Field(gt=0, le=300)
    tasks: tuple[tuple[str, int], ...] = ()


class Target(Strict):
    """One request, at `rate_hz` on each of its connection kinds.

    `entry` main is the load balancer's address, where this host can reach it. Loopback is the mapped port, which is
    also there where the address is not; a cluster that is not ours has none, and the target is then left out.
    With `write`, each request gives a number of its own to a Variable of Airflow, the cheapest thing that can be
    written: `path` is the beginning of its name, for each kind of connection has one that nobody else writes.
    """

    name: str
    path: str = Field(pattern=r"^/[!-~]*$")
    write: bool = False
    rate_hz: float = Field(gt=0, le=200)
    conn: tuple[Literal["new", "reused"], ...] = Field(default=("new", "reused"), min_length=1)
    login: bool = False
    entry: Literal["main", "loopback"] = "main"
    must_contain: str = ""

    @field_validator("conn")
    @classmethod
    def _each_once(cls, conn: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(conn)) < len(conn):
            raise ValueError("a kind of connection is given twice; their samples could not be told apart")
        return conn

    @model_validator(mode="after")
    def _writes_to_a_variable(self) -> Target:
        if self.write and not (re.fullmatch(VARIABLES + r"[\w-]+", self.path) and self.login and not self.must_contain):
            raise ValueError(f"a write has a login, the path {VARIABLES}NAME, and an answer that is known beforehand")
        return self

    def at(self, conn: str) -> str:
        """The path that is asked for over this kind of connection."""
        return f"{self.path}-{conn}" if self.write else self.path

    def variable(self, conn: str, value: str) -> dict[str, str]:
        """What is to be written there."""
        return {"key": self.at(conn).removeprefix(VARIABLES), "value": value}


class Probe(Strict):
    """What goes through the load balancer all the time."""

    timeout_s: float = Field(gt=0, le=60)
    targets: tuple[Target, ...] = Field(min_length=1)

    @field_validator("targets")
    @classmethod
    def _one_name_each(cls, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        twice = [name for name, count in Counter(t.name for t in targets).items() if count > 1]
        if twice:
            raise ValueError(f"several targets are called {twice[0]!r}; their samples could not be told apart")
        return targets

    @property
    def writes(self) -> tuple[Target, ...]:
        return tuple(t for t in self.targets if t.write)

    @property
    def rate_hz(self) -> float:
        """Requests per second of all targets together."""
        return sum(t.rate_hz * len(t.conn) for t in self.targets)


class Elsewhere(Strict):
    """What differs on a stack, or in a profile: the phases, the seconds between two runs of the workload, which DAGs
    run by themselves, and how far the faults reach."""

    phases: Phases | None = None
    every_s: float | None = Field(default=None, ge=0.2, le=60)
    schedules: tuple[Scheduled, ...] | None = None
    blast: Blast | None = None


class Plan(Strict):
    """The extension block. The triggers of `writer` count as write requests, as those of the probe that write do;
    actions ask for `surge`.

    `recovery` are the phases that the experiment owes a bound for, where they are not all of its component's: what is
    cut off for a while is not replaced. `schedules` are the DAGs that run by themselves meanwhile. `on` is what differs
    on a stack, or in a profile, of this name. `blast` is the most that may be hit, and `brake` when the run is ended.
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
        """The same as it runs on the stack, and in the profile, of these names."""
        return self.model_copy(update={"plan": self.plan.at(*names)})

    def seeded(self, seed: int | None) -> Experiment:
        """The same with another seed, where one is given."""
        return self if seed is None else self.model_copy(update={"plan": self.plan.model_copy(update={"seed": seed})})

    def method(self) -> list[dict[str, Any]]:
        """The activities of the method."""
        return _tables(self.raw.get("method"))


def load(path: Path) -> Experiment:
    """Read an experiment. Raises `UsageError` with file and line where it cannot be run."""
    if not path.is_file():
        known = ", ".join(str(there.relative_to(ROOT)) for there in sources.files())
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
    """The name of the file below experiments/ with this title: all that Chaos Toolkit tells a control of the file."""
    for path in sources.files():
        with suppress(UsageError):
            if _table(sources.read(path)).get("title") == title:
                return path.stem
    return "unnamed"


def _tables(found: Any) -> list[dict[str, Any]]:
    """The objects of a list; whatever else stands in a file is Chaos Toolkit's to refuse."""
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _table(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}

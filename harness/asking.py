"""What an experiment keeps requesting from Airflow, and from where: the part of its file that the prober reads."""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.settings import MOST_POINTS

VARIABLES = "/api/v2/variables/"
MOST_TOGETHER_HZ = 20_000.0  # all vantage points together; each makes at most 1,000, like the prober here


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Target(Strict):
    """One request, at `rate_hz` over each of its kinds of connection.

    `entry` main is the load balancer's address, if this host can reach it. Loopback is the mapped port, which works
    even when the address does not; a cluster that is not ours has none, and the target is left out there.
    With `write`, each request sets a Variable of Airflow, the cheapest thing to write, to a unique number: `path` is
    the beginning of its name, since each kind of connection has a Variable that nobody else writes.
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
            raise ValueError(f"a write has a login, the path {VARIABLES}NAME, and no must_contain")
        return self

    def at(self, conn: str) -> str:
        """The path to request over this kind of connection."""
        return f"{self.path}-{conn}" if self.write else self.path

    def variable(self, conn: str, value: str) -> dict[str, str]:
        """The body to write there."""
        return {"key": self.at(conn).removeprefix(VARIABLES), "value": value}


class Vantage(Strict):
    """`points` pods, spread over the cluster's nodes, that make requests too: these `targets`, or else all reads of the
    probe that go through the load balancer."""

    points: int = Field(ge=1, le=MOST_POINTS)
    targets: tuple[Target, ...] = ()

    @field_validator("targets")
    @classmethod
    def _reads_of_users(cls, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        for one in targets:
            if one.write or one.entry != "main":
                raise ValueError(f"{one.name}: a vantage point only reads, and only by the load balancer's address")
        return targets


class Probe(Strict):
    """The requests sent through the load balancer throughout the run; with `vantage`, from several places."""

    timeout_s: float = Field(gt=0, le=60)
    targets: tuple[Target, ...] = Field(min_length=1)
    vantage: Vantage | None = None

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

    @model_validator(mode="after")
    def _bearable(self) -> Probe:
        rate = sum(t.rate_hz * len(t.conn) for t in self.seen) * (self.vantage.points if self.vantage else 0)
        if self.vantage and not 0 < rate <= MOST_TOGETHER_HZ:
            raise ValueError(
                f"all vantage points together would make {rate:g} requests/s; it must be more than 0, and at most "
                f"{MOST_TOGETHER_HZ:g}"
            )
        return self

    @property
    def seen(self) -> tuple[Target, ...]:
        """The requests of each vantage point."""
        reads = tuple(t for t in self.targets if not t.write and t.entry == "main")
        return (self.vantage.targets or reads) if self.vantage else ()

    @property
    def rate_hz(self) -> float:
        """Requests per second of all targets together, from here."""
        return sum(t.rate_hz * len(t.conn) for t in self.targets)

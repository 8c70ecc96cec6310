"""What a history says so far, line by line as it grows."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import msgspec

from harness.errors import HarnessError, UsageError
from harness.history import End, Event, Fault, History, Meta, Phase, Record
from harness.judge import recovery
from harness.records import ABORTED, ADAPTER
from harness.slo import Bound, bound_of

STEPS = {"injected": "hit", "proved": "proved on"}
RECOVERY = "recovery."


@dataclass(frozen=True)
class News:
    """One thing that happened, `t` nanoseconds after the run began."""

    t: int
    what: str


class _Line(msgspec.Struct, gc=False):
    """What is read of every line: there may be hundreds a second, nearly all of them samples."""

    kind: str = ""
    t: int = 0
    outcome: Literal["ok", "fail", "info", ""] = ""


_LINE = msgspec.json.Decoder(_Line)


class Seen:
    """The run so far. `since` is when the phase under way began; times are nanoseconds since the run began.

    `hit` and `proved` are keyed by (fault, target); `recovered` is phase of the recovery → seconds after the fault, as
    the judge would measure it from what is recorded so far.
    """

    def __init__(self) -> None:
        self.t = 0
        self.phase = ""
        self.since = 0
        self.over = False
        self.requests = 0
        self.bad = 0
        self.hit: dict[tuple[str, str], str] = {}
        self.proved: dict[tuple[str, str], str] = {}
        self.recovered: dict[str, float] = {}
        self._bounds: dict[str, Bound] = {}
        self._records: list[Record] = []

    def take(self, lines: Iterable[bytes]) -> list[News]:
        """Add complete lines, and return their news. What cannot be read is left to the judge."""
        news: list[News] = []
        for line in lines:
            with suppress(ValueError, msgspec.DecodeError):
                short = _LINE.decode(line)
                self.t = max(self.t, short.t)
                if short.kind == "sample":
                    self.requests += 1
                    self.bad += short.outcome != "ok"
                else:
                    news += self._add(ADAPTER.validate_json(line))
        return news

    def _add(self, record: Record) -> list[News]:
        self._records.append(record)
        match record:
            case Meta():
                self._bounds = dict(_owed(record))
            case Phase(edge="begin"):
                self.phase, self.since = record.name, record.t
                return [News(record.t, record.name)]
            case Phase(edge="end"):
                self.phase = ""
            case Fault():
                return self._fault(record)
            case Event() if record.what == ABORTED:
                return [News(record.t, f"ended by the {record.object}: {record.value.get('because')}")]
            case End():
                self.over = True
                return [News(record.t, "over")]
        return []

    def _fault(self, step: Fault) -> list[News]:
        if step.phase not in STEPS:
            return []
        where = self.hit if step.phase == "injected" else self.proved
        name = str(step.target.get("name") or step.target.get("kind") or "the load")
        key = (step.id, str(step.target.get("uid") or name))
        if key in where:
            return []
        where[key] = name
        return [News(step.t, f"{step.action} {STEPS[step.phase]} {name}")]

    def look(self) -> list[News]:
        """The phases of the recovery that are new since the last look, or came later than it seemed.

        Costs a few milliseconds of a processor, unless there is nothing to look for.
        """
        done = self.phase == "cooldown" and self.recovered.keys() >= self._bounds.keys()
        if not self.hit or done:
            return []
        try:
            came = [check for check in recovery.check(History.of(self._records), self._bounds) if check.windows]
        except HarnessError:  # contradictory records are for the judge to report
            return []
        news = []
        for check in came:
            if check.measure is not None and self.recovered.get(check.name) != check.measure:
                self.recovered[check.name] = check.measure
                news.append(News(check.windows[-1].end, f"{called(check.name)} {check.measure:.1f} s after the fault"))
        return news


def called(name: str) -> str:
    """A phase of the recovery in words."""
    return name.removeprefix(RECOVERY).replace("_", " ")


def _owed(meta: Meta) -> Iterable[tuple[str, Bound]]:
    """The bounds of the recovery that can be used; the judge reports those that cannot."""
    for name, raw in meta.slo.items():
        with suppress(UsageError):
            if name.startswith(RECOVERY):
                yield name, bound_of(name, raw, "meta.slo")

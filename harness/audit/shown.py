"""From findings to advice: what is to do, what a run has shown, and what its owner explains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from harness.audit.rule import Finding, Word
from harness.errors import UsageError
from harness.tables import compose

FRESH = timedelta(days=30)
_EXPLAINED = TypeAdapter(dict[str, dict[str, str]])


class State(StrEnum):
    """Where a rule stands at one place, the most urgent first."""

    TO_DO = "to do"
    UNKNOWN = "unknown"
    EXPLAINED = "explained"
    STALE = "stale"
    TO_BE_SHOWN = "to be shown"
    SHOWN = "shown"
    HOLDS = "holds"


@dataclass(frozen=True)
class Run:
    """A judged run of the same deployment: its experiment, its start (RFC 3339), and whether it was PASS."""

    experiment: str
    wall: str
    passed: bool


@dataclass(frozen=True)
class Advice:
    """A finding, its state, and what the state rests on: the date of a run, or an explanation."""

    finding: Finding
    state: State
    because: str = ""


def advise(
    findings: Iterable[Finding], runs: Iterable[Run], explained: Mapping[str, str], now: datetime
) -> list[Advice]:
    """One for each finding, the most urgent first. Of several runs of an experiment, the newest counts."""
    newest: dict[str, Run] = {}
    for run in sorted(runs, key=lambda one: one.wall):
        newest[run.experiment] = run
    order = list(State)
    found = [_advice(one, newest, explained, now) for one in findings]
    return sorted(found, key=lambda one: order.index(one.state))


def _advice(finding: Finding, newest: Mapping[str, Run], explained: Mapping[str, str], now: datetime) -> Advice:
    rule, word = finding.rule, finding.said.word
    if word is not Word.HOLDS:
        if rule.name in explained:
            return Advice(finding, State.EXPLAINED, explained[rule.name])
        return Advice(finding, State.TO_DO if word is Word.BROKEN else State.UNKNOWN)
    if not rule.experiment:
        return Advice(finding, State.HOLDS)
    run = newest.get(rule.experiment)
    if run is None or not run.passed or (when := _when(run.wall)) is None:
        return Advice(finding, State.TO_BE_SHOWN)
    return Advice(finding, State.STALE if now - when > FRESH else State.SHOWN, f"{run.wall[:10]}")


def _when(wall: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(wall)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def explanations(path: Path, name: str) -> dict[str, str]:
    """Rule → why its finding stays, for the deployment of this name. Raises `UsageError` if the file is not valid."""
    try:
        compose(path)
        table = _EXPLAINED.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except FileNotFoundError as cause:
        raise UsageError(f"there is no file {path}; it has, by deployment, rule: why its finding stays") from cause
    except ValidationError as cause:
        first = cause.errors()[0]
        raise UsageError(f"{path.name}: {' → '.join(map(str, first['loc']))}: {first['msg']}") from cause
    return table.get(name, {})

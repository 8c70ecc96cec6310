"""A run as metrics, in the text format of OpenMetrics, to be kept with all other metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness.files import write as write_file
from harness.foreign import visible
from harness.history import NS, History
from harness.outcome import Check, Outcome, Verdict
from harness.report.facts import series
from harness.samples import OUTCOMES

PREFIX = "airflow_chaos_"
Sample = tuple[Mapping[str, str], float]
HELP = {
    "run_verdict": ("stateset", "The verdict of the run."),
    "run_seconds": ("gauge", "How long the run took."),
    "check_verdict": ("stateset", "The verdict of each check."),
    "check_measure": ("gauge", "What each check measured, in the unit of its label."),
    "check_limit": ("gauge", "The limit of each check."),
    "requests": ("gauge", "Requests of each series, by outcome."),
}


def write(history: History, outcome: Outcome, path: Path) -> None:
    """Write all metrics of a run."""
    write_file(path, exposed(history, outcome))


def exposed(history: History, outcome: Outcome) -> str:
    """The text. A check without a measure has none here either."""
    run = {"experiment": outcome.experiment, "stack": outcome.stack}
    checks = {check.name: check for check in outcome.checks}.values()  # a name has one sample
    families: dict[str, Iterable[Sample]] = {
        "run_verdict": _states(run, "run_verdict", outcome.verdict),
        "run_seconds": [(run, history.last_t / NS)],
        "check_verdict": (one for c in checks for one in _states({**run, "check": c.name}, "check_verdict", c.verdict)),
        "check_measure": _values(run, checks, {c.name: c.measure for c in checks}),
        "check_limit": _values(run, checks, {c.name: c.limit for c in checks}),
        "requests": _requests(run, history),
    }
    lines = [line for name, samples in families.items() for line in _family(name, samples)]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _family(name: str, samples: Iterable[Sample]) -> Iterator[str]:
    kind, meaning = HELP[name]
    yield f"# TYPE {PREFIX}{name} {kind}"
    yield f"# HELP {PREFIX}{name} {meaning}"
    for labels, value in samples:
        told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{PREFIX}{name}{{{told}}} {value!r}"


def _states(labels: Mapping[str, str], name: str, verdict: Verdict) -> Iterator[Sample]:
    """One for each verdict: 1 for what it is, 0 for the others."""
    for one in Verdict:
        yield {**labels, PREFIX + name: one.value}, float(one is verdict)


def _values(run: Mapping[str, str], checks: Iterable[Check], values: Mapping[str, float | None]) -> Iterator[Sample]:
    for check in checks:
        if (value := values[check.name]) is not None and math.isfinite(value):
            yield {**run, "check": check.name, "unit": check.unit}, value


def _requests(run: Mapping[str, str], history: History) -> Iterator[Sample]:
    for samples in series(history).values():
        for code, outcome in enumerate(OUTCOMES):
            labels = {"target": samples.target, "connection": samples.conn, "method": samples.method}
            labels |= {"vantage": samples.vantage} if samples.vantage else {}
            yield {**run, **labels, "outcome": outcome}, float((samples.outcome == code).sum())


def _escaped(text: str) -> str:
    return visible(text).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

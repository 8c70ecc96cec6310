"""Metrics are what Prometheus reads, and say what the verdict says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from harness.foreign import visible
from harness.history import History
from harness.judge.verdict import judge
from harness.outcome import Check, Outcome, Verdict
from harness.report.metrics import HELP, PREFIX, exposed
from tests.unit.builders import END, bad, healthy, meta, whole


def read(text: str) -> dict[str, list[Any]]:
    families: Iterator[Any] = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return {family.name: family.samples for family in families}


def test_a_run_is_told_of_as_it_was_judged() -> None:
    history = whole(bad(healthy(), 25, 40))
    outcome = judge(history)
    found = read(exposed(history, outcome))
    assert found.keys() == {PREFIX + name for name in HELP}
    states = {s.labels[f"{PREFIX}run_verdict"]: s.value for s in found[f"{PREFIX}run_verdict"]}
    assert states == {"PASS": 0, "INVALID": 0, "FAIL": 1}
    measures = {s.labels["check"]: s.value for s in found[f"{PREFIX}check_measure"]}
    assert measures == {c.name: c.measure for c in outcome.checks if c.measure is not None}
    limits = {s.labels["check"]: s.value for s in found[f"{PREFIX}check_limit"]}
    assert limits == {c.name: c.limit for c in outcome.checks if c.limit is not None}
    failed = {s.labels["check"] for s in found[f"{PREFIX}check_verdict"] if s.value and "FAIL" in s.labels.values()}
    assert failed == {c.name for c in outcome.checks if c.verdict is Verdict.FAIL}
    requests = found[f"{PREFIX}requests"]
    assert sum(s.value for s in requests) == 380
    assert sum(s.value for s in requests if s.labels["outcome"] == "fail") == 30
    assert [s.value for s in found[f"{PREFIX}run_seconds"]] == [END]


numbers = st.none() | st.floats(allow_nan=True, allow_infinity=True)
checks = st.builds(
    Check,
    name=st.text(max_size=10),
    verdict=st.sampled_from(Verdict),
    measure=numbers,
    limit=numbers,
    unit=st.text(max_size=5),
    origin=st.just(""),
    because=st.text(max_size=20),
)


@settings(max_examples=60)
@given(st.lists(checks, max_size=5), st.text(max_size=10), st.sampled_from(Verdict))
def test_whatever_a_verdict_holds_can_be_read(some: list[Check], name: str, verdict: Verdict) -> None:
    outcome = Outcome(run_id="r", experiment=name, stack=name, verdict=verdict, checks=tuple(some))
    found = read(exposed(History.of([meta()]), outcome))
    (passed,) = [s for s in found[f"{PREFIX}run_verdict"] if s.value]
    assert passed.labels == {"experiment": visible(name), "stack": visible(name), f"{PREFIX}run_verdict": verdict.value}
    assert len(found[f"{PREFIX}check_verdict"]) == 3 * len({check.name for check in some})

"""What CI systems read: FAIL is a failure, INVALID an error, and nothing judged is never green."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.history import History
from harness.outcome import Check, Outcome, Verdict, worst
from harness.report import junit
from tests.unit.builders import meta, whole

RUN = whole([meta(wall="2026-01-01T02:00:00.500+02:00")])


def check(name: str, verdict: Verdict, because: str = "so it is") -> Check:
    return Check(name=name, verdict=verdict, measure=None, limit=None, unit="", origin="", because=because)


def written(tmp_path: Path, *checks: Check, history: History = RUN) -> ET.Element:
    path = tmp_path / "junit.xml"
    outcome = Outcome(run_id="r", experiment="kill", stack="celery", verdict=worst(checks), checks=checks)
    junit.write(history, outcome, path)
    suite = ET.parse(path).getroot().find("testsuite")  # noqa: S314
    assert suite is not None
    return suite


def test_one_case_a_check(tmp_path: Path) -> None:
    suite = written(tmp_path, check("a", Verdict.PASS), check("b", Verdict.FAIL), check("c", Verdict.INVALID))
    assert {k: suite.get(k) for k in ("tests", "failures", "errors")} == {"tests": "3", "failures": "1", "errors": "1"}
    kinds = {case.get("name"): [child.tag for child in case] for case in suite}
    assert kinds == {"a": ["system-out"], "b": ["failure"], "c": ["error"]}
    assert {case.get("classname") for case in suite} == {"kill.celery"}


def test_because_is_the_message(tmp_path: Path) -> None:
    failure = written(tmp_path, check("b", Verdict.FAIL, "3 s; the limit is <2 s> & more")).find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == failure.text == "3 s; the limit is <2 s> & more"


def test_nothing_judged_is_an_error(tmp_path: Path) -> None:
    assert written(tmp_path).get("errors") == "1"


def test_the_suite_says_when_it_began_and_how_long_it_took_and_every_case_has_a_time(tmp_path: Path) -> None:
    suite = written(tmp_path, check("a", Verdict.PASS), check("b", Verdict.INVALID))
    assert (suite.get("timestamp"), suite.get("time")) == ("2026-01-01T00:00:00", "60.000")
    assert [case.get("time") for case in suite] == ["0", "0"]


@pytest.mark.parametrize("history", [History.of([]), whole([meta(wall="yesterday")])])
def test_a_beginning_that_is_not_known_is_not_made_up(tmp_path: Path, history: History) -> None:
    assert written(tmp_path, history=history).get("timestamp") is None


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_any_text_makes_xml_that_can_be_read(tmp_path: Path, text: str) -> None:
    suite = written(tmp_path, check(text, Verdict.FAIL, text))
    assert suite.get("failures") == "1"

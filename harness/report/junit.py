"""The verdict for CI systems: one test case for each check; FAIL is a failure, INVALID an error."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.files import beside
from harness.foreign import visible
from harness.history import NS, History
from harness.outcome import Check, Outcome, Verdict

_TAGS = {Verdict.FAIL: "failure", Verdict.INVALID: "error"}
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(history: History, outcome: Outcome, path: Path) -> None:
    """Write JUnit XML. A run without checks gets one error, so that nothing judged is never green.

    The suite's time is that of the run: checks only read what it recorded, and take none themselves.
    """
    cases = [_case(outcome, check) for check in outcome.checks] or [_nothing(outcome)]
    suite = ET.Element(
        "testsuite",
        name=_clean(f"{outcome.experiment} on {outcome.stack}"),
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
        skipped="0",
        time=f"{history.last_t / NS:.3f}",
    )
    if began := _began(history):
        suite.set("timestamp", began)
    suite.extend(cases)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    with beside(path) as fresh:
        ET.ElementTree(root).write(fresh, encoding="utf-8", xml_declaration=True)


def _began(history: History) -> str | None:
    """When the run began, to the second and in UTC without saying so: the schemas that CI systems use allow no more."""
    try:
        began = datetime.fromisoformat(history.meta.wall if history.meta else "").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return began.strftime("%Y-%m-%dT%H:%M:%S")


def _case(outcome: Outcome, check: Check) -> ET.Element:
    case = _named(outcome, check.name)
    tag = _TAGS.get(check.verdict)
    said = _clean(check.because)
    if tag is None:
        ET.SubElement(case, "system-out").text = said
    else:
        ET.SubElement(case, tag, message=said, type=check.verdict.value).text = said
    return case


def _nothing(outcome: Outcome) -> ET.Element:
    case = _named(outcome, "verdict")
    ET.SubElement(case, "error", message="no check was made", type=outcome.verdict.value)
    return case


def _named(outcome: Outcome, name: str) -> ET.Element:
    kind = _clean(f"{outcome.experiment}.{outcome.stack}")
    return ET.Element("testcase", classname=kind, name=_clean(name), time="0")


def _clean(text: str) -> str:
    """XML cannot hold some characters at all, and error messages of servers can."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", visible(text))

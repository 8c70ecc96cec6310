"""The verdict for CI systems: one test case a check; FAIL is a failure, INVALID an error."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.outcome import Check, Outcome, Verdict

_TAGS = {Verdict.FAIL: "failure", Verdict.INVALID: "error"}
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(outcome: Outcome, path: Path) -> None:
    """Write JUnit XML. A run without checks gets one error, so that nothing judged is never green."""
    cases = [_case(outcome, check) for check in outcome.checks] or [_nothing(outcome)]
    suite = ET.Element(
        "testsuite",
        name=_clean(f"{outcome.experiment} on {outcome.stack}"),
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
        skipped="0",
    )
    suite.extend(cases)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


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
    return ET.Element("testcase", classname=_clean(f"{outcome.experiment}.{outcome.stack}"), name=_clean(name))


def _clean(text: str) -> str:
    """XML cannot hold most control characters, and error messages of servers can."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)

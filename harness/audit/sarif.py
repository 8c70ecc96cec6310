"""Findings as SARIF 2.1.0, which code hosts show beside the code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.audit.rule import Rule
from harness.audit.shown import Advice, State

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {State.TO_DO: "error", State.UNKNOWN: "warning"}


def sarif(advice: Sequence[Advice], version: str) -> dict[str, Any]:
    """One result for each finding that is to do or unknown."""
    shown = [one for one in advice if one.state in LEVELS]
    rules = {one.finding.rule.name: one.finding.rule for one in shown}
    driver = {"name": "airflow-chaos", "version": version, "rules": [_rule(one) for one in rules.values()]}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(one) for one in shown]}],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.outage},
        "help": {"text": rule.change},
    }


def _result(one: Advice) -> dict[str, Any]:
    said = one.finding.said
    return {
        "ruleId": one.finding.rule.name,
        "level": LEVELS[one.state],
        "message": {"text": f"{said.where}: {said.what}. {one.finding.rule.outage}"},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": said.where, "kind": "resource"}]}],
    }

"""The audit of a deployment that is not ours: the look-alike of the official chart, rendered and standing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.settings import ROOT, Settings
from tests.stack import chart
from tests.stack.test_commands import call

pytestmark = [pytest.mark.stack, pytest.mark.foreign]
PAGE = ROOT / "docs" / "chart.md"
TOLD = re.compile(r"^\| `([a-z-]+)` \|", re.MULTILINE)
# Our image is a newer Airflow than the chart's own.
NEWER = {"version-without-guards"}


def audited(*words: str | Path) -> dict[str, set[str]]:
    """By state, the rules that say so somewhere."""
    code, said = call("harness", "audit", "--format", "json", *map(str, words))
    assert code == 1, said
    found: dict[str, set[str]] = {}
    for one in json.loads(said):
        found.setdefault(one["state"], set()).add(one["rule"])
    return found


def told(heading: str) -> set[str]:
    """The rules of one table of the page."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(TOLD.findall(section))


def file(tmp_path: Path, settings: Settings, variant: str) -> Path:
    path = tmp_path / f"{variant}.yaml"
    path.write_text(chart.rendered(settings, variant), encoding="utf-8")
    return path


def test_the_page_has_each_finding_and_no_other(settings: Settings, tmp_path: Path) -> None:
    alone = audited(file(tmp_path, settings, "chart-like"))
    assert alone["to do"] | alone["unknown"] == told("With the default values")
    twice = audited(file(tmp_path, settings, "chart-like-ha"))
    assert twice["to do"] | twice["unknown"] == {
        rule for rule in told("With the default values") if not rule.endswith("-alone")
    } | {"broker-alone", "database-alone"} | told("With two of each")


@pytest.fixture(scope="module")
def kubeconfig(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of an account without any right but to list; the look-alike stands beside the stack meanwhile."""
    with chart.standing(settings):
        yield chart.kubeconfig(settings, tmp_path_factory.mktemp("foreign") / "kubeconfig")


def test_what_stands_is_found_to_be_what_was_rendered(kubeconfig: Path) -> None:
    found = audited("--kubeconfig", kubeconfig, "--namespace", chart.NAMESPACE)
    assert found["to do"] == told("With the default values") - NEWER - {"connections", "secrets-renewed"}
    # Zones are unknown on kind, and the names of Secrets to this account.
    assert found["unknown"] == {"connections", "secrets-renewed", "one-zone"}


def test_the_account_sees_no_other_namespace(kubeconfig: Path) -> None:
    code, said = call("harness", "audit", "--kubeconfig", str(kubeconfig), "--namespace", "airflow")
    assert code == 64, said
    assert "may not be listed" in said

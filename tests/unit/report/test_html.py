"""One page, complete in itself, that shows what was judged and trusts no text that it shows."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import harness.report
from harness.history import Fault, History, Record, Sample
from harness.judge.verdict import judge
from harness.report import html
from tests.unit.builders import bad, changed, healthy, job, meta, named, whole, without
from tests.unit.judge.ledgerless import ledgerless

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'"


def page(tmp_path: Path, history: History) -> str:
    path = tmp_path / "report.html"
    html.write(history, judge(history), path)
    return path.read_text(encoding="utf-8")


def said(text: str) -> str:
    """What a reader sees: no tags, no scripts, no styles."""
    parts: list[str] = []

    class Reader(HTMLParser):
        hidden = 0

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.hidden += tag in ("script", "style")

        def handle_endtag(self, tag: str) -> None:
            self.hidden -= tag in ("script", "style")

        def handle_data(self, data: str) -> None:
            if not self.hidden:
                parts.append(data)

    Reader().feed(text)
    return " ".join(" ".join(parts).split())


def test_it_shows_verdict_checks_bounds_and_proof(tmp_path: Path) -> None:
    history = whole(bad(healthy(), 25, 30))
    text = said(page(tmp_path, history))
    outcome = judge(history)
    for check in outcome.checks:
        assert check.name in text
        assert " ".join(check.because.split()) in text
    assert "FAIL A promise was broken." in text
    for wanted in ("uid uid-a", "airflow 3.3.2", "scheduler replicas 2", "harness check reports/run-1"):
        assert wanted in text
    assert "at most one probe interval: GET dags, new connections 500 ms" in text


@pytest.mark.parametrize("lost", [Fault, Sample])
def test_it_is_drawn_whatever_is_missing(tmp_path: Path, lost: type[Record]) -> None:
    assert "INVALID" in said(page(tmp_path, whole(without(healthy(), lost))))


def test_it_is_drawn_of_nothing_at_all(tmp_path: Path) -> None:
    text = said(page(tmp_path, History.of([])))
    assert "INVALID Nothing can be concluded" in text
    assert "The history is not whole" in text


def test_it_says_why_a_history_is_not_whole(tmp_path: Path) -> None:
    assert "cut short" in said(page(tmp_path, History.of(healthy())))


def test_it_says_once_and_first_that_a_target_has_no_ledger(tmp_path: Path) -> None:
    text = said(page(tmp_path, ledgerless(whole(healthy()))))
    banner = text[: text.index("Timeline")]
    assert banner.count("This target has no ledger,") == 1
    assert "4 checks are INVALID for that reason alone" in banner
    assert "tasks.duplicated" not in banner
    assert "tasks.duplicated" in text
    assert "no ledger" not in said(page(tmp_path, whole(healthy())))


def test_it_escapes_everything(tmp_path: Path) -> None:
    records = changed(healthy(), Sample, lambda s: s.target == "dags", lambda _: {"target": EVIL, "error": EVIL})
    records = changed(records, Sample, lambda s: s.target == EVIL and s.due > 25 * 10**9, lambda _: {"outcome": "fail"})
    records = changed(records, Fault, lambda f: f.phase != "begin", lambda f: {"target": {**f.target, "name": EVIL}})
    slo = {**meta().slo, EVIL: {"limit": EVIL, "unit": EVIL, "origin": EVIL}}
    evil = meta(slo, run_id=EVIL, experiment=EVIL, stack=EVIL, wall=EVIL, versions={EVIL: EVIL}, replicas={EVIL: 1})
    clean, dirty = page(tmp_path, whole(healthy())), page(tmp_path, whole([evil, *records[1:], job(9, 5, EVIL)]))
    for tag in ("<script", "</script", "<img"):  # what plotly makes of it is seen in test_browser.py
        assert dirty.count(tag) == clean.count(tag)
    assert EVIL in said(dirty)


def test_it_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    text = page(tmp_path, whole(healthy()))
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"""(src|href)\s*=|@import|url\(""", outside)
    assert not re.search(r"<script[^>]+src", text)


def test_a_report_computes_no_verdict() -> None:
    for path in Path(harness.report.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            assert not [m for m in modules if m.startswith("harness.judge")], path.name


def test_the_verdict_shown_is_the_one_given(tmp_path: Path) -> None:
    history = whole(bad(healthy(), 25, 30))
    given = judge(whole(healthy()))
    html.write(history, given, tmp_path / "report.html")
    text = said((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "PASS Every promise held" in text
    assert named(given, "availability.read.outage").because in text

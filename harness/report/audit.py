"""The page of an audit: what is to do first, and what a run has shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from harness.report import pages

WORDS = {"to do": "FAIL", "unknown": "INVALID", "stale": "INVALID", "shown": "PASS"}


def page(name: str, advice: Sequence[Any]) -> str:
    """All of it, escaped, in one file. `advice` are findings with their states, the most urgent first."""
    rows = groupby(advice, key=lambda one: (one.state, one.finding.rule.name))
    counts = Counter(str(one.state) for one in advice)
    every = [list(group) for _, group in rows]
    return pages.render("audit.html.j2", whose=name, rows=every, counts=counts, words=WORDS)

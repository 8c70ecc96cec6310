"""Tables in YAML: a key that stands twice in one table is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import known, slo
from harness.errors import UsageError
from harness.tables import compose

TWICE = "tuned:\n  celery:\n    a: 1\n  local: {}\n  celery:\n    b: 2\n"


def test_a_key_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "slo.yaml"
    path.write_text(TWICE, encoding="utf-8")
    with pytest.raises(UsageError, match=r"slo\.yaml:5: 'celery' was already given in line 2"):
        slo.load(path, "tuned", "celery", "a", frozenset())
    with pytest.raises(UsageError, match=r"slo\.yaml:5: 'celery' was already given in line 2"):
        known.load(path, "tuned", "celery")


def test_a_key_twice_is_found_within_lists_too(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("- {a: 1}\n- {a: 1, b: {c: 1, c: 2}}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"some\.yaml:2: 'c' was already given"):
        compose(path)


def test_the_same_key_in_two_tables_is_none(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("a: &a {limit: 1}\nb: {limit: 1}\nc: *a\nd: *a\n", encoding="utf-8")
    assert compose(path) is not None

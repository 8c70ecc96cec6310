"""No text of a cluster, a server or a recorded file steers a terminal or is markup, wherever it is shown."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unicodedata import category
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.markup import render

from harness import control, kills
from harness.commands import console
from harness.commands.ending import Row
from harness.errors import CommandFailed, HarnessError, StorageError, UsageError
from harness.foreign import escaped, markdown, one_line, visible
from harness.history import Event, History, Record
from harness.judge.regression import Compared, Finding
from harness.judge.repeated import summed_up
from harness.judge.verdict import judge
from harness.kills import Trial
from harness.outcome import Outcome, Verdict
from harness.report import html, junit
from harness.report import kills as kill_page
from harness.report import matrix as matrices
from harness.run import Result
from harness.testing import plugin
from harness.trends import counts
from harness.trends.counts import Count
from harness.trends.gate import Change
from harness.trends.trend import Drift, Kept
from tests.unit.builders import bad, healthy, whole

STEERS = "\x00\x07\x08\x0b\x0c\r\x1b\x7f\x85\x9b\u061c\u200e\u202a\u202e\u2066\u2069\u2028\u2029"
MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x>",
    "[red]",
    "[/]",
    "]]>",
    "&lt;",
    "%{x}",
    "|",
    "`",
    "**",
    "\\",
    "\n",
    '"',
    "'",
)
NASTY = st.lists(
    st.sampled_from([*STEERS, *MARKUP, "\x1b[2J", "\x1b]0;title\x07"]) | st.characters(exclude_categories=["Cs"]),
    max_size=6,
).map("".join)


def steering(text: str) -> set[str]:
    """The characters that make a text more than text, by what Unicode calls them: control, format and separator."""
    plain = {"\n", "\t", "\u00ad", "\ufeff"}
    marks = {char for char in text if category(char) in ("Cc", "Zl", "Zp", "Cs") and char not in plain}
    return marks | (set(text) & set(STEERS))


@given(st.text(st.characters() | st.sampled_from(STEERS)))
def test_what_is_visible_steers_nothing_and_loses_nothing(text: str) -> None:
    shown = visible(text)
    assert not steering(shown)
    assert "\n" not in one_line(text)
    if not steering(text):
        assert shown == text


@given(st.text(st.sampled_from("ab\\`*_[]<>&|")))
def test_a_cell_in_markdown_is_plain_text(text: str) -> None:
    shown = markdown(text)
    assert re.sub(r"\\(.)", r"\1", shown) == text
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>&|]", shown)


@given(NASTY)
def test_every_error_is_harmless_from_the_start(text: str) -> None:
    errors = (HarnessError(text), UsageError(text), CommandFailed(text, 1, text), StorageError.of(OSError(1, text)))
    assert not [error for error in errors if steering(str(error))]
    assert str(HarnessError(text)) == visible(text)


def tainted(value: Any, taint: str) -> Any:
    """Every text in it with the same behind it, so that what was equal still is."""
    if isinstance(value, str):
        return value + taint
    if isinstance(value, dict):
        return {name: tainted(item, taint) for name, item in value.items()}
    return [tainted(item, taint) for item in value] if isinstance(value, list | tuple) else value


def of_the_cluster(record_: Record, taint: str) -> Record:
    """The record with each of its texts tainted that may be any text."""
    found = record_
    for name, value in record_.model_dump(by_alias=True).items():
        said = {**found.model_dump(by_alias=True), name: tainted(value, taint)}
        try:
            found = type(record_).model_validate(said)
        except ValidationError:
            continue
    return found


def history(taint: str) -> History:
    told = [
        Event(t=30 * 10**9, source="probe", object=what, what="error", value={"of": "x", "error": "y"})
        for what in ("watcher", "ledger")
    ]
    return whole([of_the_cluster(one, taint) for one in [*bad(healthy(), 25, 30), *told]])


def shape(text: str) -> list[Any]:
    """Which tags a page has, with which attributes, in their order."""
    found: list[Any] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, [name for name, _ in attrs]))

    Reader().feed(text)
    return found


def outside_scripts(text: str) -> str:
    return re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def drawn(taint: str) -> tuple[str, str, str]:
    """Report, JUnit and verdict of a run in which every text is tainted."""
    one = history(taint)
    outcome = judge(one)
    with TemporaryDirectory() as name:
        folder = Path(name)
        html.write(one, outcome, folder / "report.html", {taint: taint})
        junit.write(one, outcome, folder / "junit.xml")
        outcome.save(folder / "verdict.json")
        page, cases, verdict = (
            (folder / name).read_bytes().decode() for name in ("report.html", "junit.xml", "verdict.json")
        )
        return page, cases, verdict


HARMLESS = drawn("~")


@settings(max_examples=6)
@example("\x7f")
@given(NASTY)
def test_the_files_of_a_run_are_what_they_are_whatever_the_cluster_says(taint: str) -> None:
    page, cases, verdict = drawn(f"~{taint}")
    assert shape(page) == shape(HARMLESS[0])
    assert not steering(outside_scripts(page))
    assert not steering(page.rpartition('id="figure">')[2])
    assert not steering(cases)
    assert [one.tag for one in ET.fromstring(cases).iter()] == [one.tag for one in ET.fromstring(HARMLESS[1]).iter()]  # noqa: S314
    assert verdict.isascii()
    assert not steering(verdict)


def outcome_of(taint: str) -> Outcome:
    given_ = judge(whole(bad(healthy(), 25, 30)))
    checks = tuple(
        c.model_copy(update={"name": c.name + taint, "unit": c.unit + taint, "because": c.because + taint})
        for c in given_.checks
    )
    return Outcome(run_id="r" + taint, experiment="e" + taint, stack="s" + taint, verdict=given_.verdict, checks=checks)


def printed(show: Callable[[], object], monkeypatch: pytest.MonkeyPatch, width: int = 4000) -> str:
    """What a command prints to a reader that is no terminal, so that no colour is of the console's own."""
    file = io.StringIO()
    monkeypatch.setattr(console, "out", console.SafeConsole(file=file, width=width))
    show()
    return file.getvalue()


@settings(max_examples=40)
@given(NASTY)
def test_what_commands_print_is_text_and_nothing_else(taint: str) -> None:
    outcome, folder = outcome_of(taint), Path("somewhere")
    compared = Compared("name" + taint, 5, 20, 0.0001)
    shows: list[tuple[Callable[[], object], int]] = [
        (lambda: console.show([Row(outcome, folder, 1.5, "known" + taint)], verbose=True), 4 + 2 * len(outcome.checks)),
        (
            lambda: console.show_repeated(
                summed_up([outcome] * 2, range(2), 2, outcome.experiment, outcome.stack), folder
            ),
            99,
        ),
        (
            lambda: console.show_drifts(
                [Drift("e" + taint, "s", "n" + taint, "u" + taint, 0, None, None, None, None, 1.5)]
            ),
            4,
        ),
        (
            lambda: console.show_changes(
                [Change("e" + taint, "s", compared, "u" + taint, 9.5, 1.25, Finding.REGRESSION)], 0.9
            ),
            4,
        ),
        (lambda: console.show_counts([Count("e" + taint, "s" + taint, 58, 1, 0, 0)]), 4),
        (lambda: console.show_matrix(matrices.matrix([outcome])), 9),
        (lambda: console.plainly(taint), 1 + taint.count("\n")),
    ]
    for show, most in shows:
        with pytest.MonkeyPatch.context() as patch:
            text = printed(show, patch)
        assert not steering(text)
        assert len(text.splitlines()) <= most
    with pytest.MonkeyPatch.context() as patch:
        text = printed(lambda: console.show([Row(outcome, folder)], verbose=True), patch)
    assert f"{outcome.checks[0].name}" in text or one_line(outcome.checks[0].name).strip() in text


@given(NASTY)
def test_what_chaos_run_and_pytest_print_is_text_and_nothing_else(taint: str) -> None:
    outcome = outcome_of(taint)
    file = io.StringIO()
    with redirect_stdout(file):
        control._tell(Result(Path("somewhere"), outcome))

    reporter: Any = SimpleNamespace(hasmarkup=False, write=file.write, section=file.write)
    stash = {plugin.RESULTS: [(Path("somewhere"), outcome, taint)]}
    config: Any = SimpleNamespace(stash=stash, get_verbosity=lambda: 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CHAOS_REPORTS", os.devnull)  # so that no floor is looked for
        plugin.pytest_terminal_summary(reporter, config)
    assert not steering(file.getvalue())


@settings(max_examples=10)
@given(NASTY)
def test_the_pages_over_many_runs_are_what_they_are(taint: str) -> None:
    def pages_of(taint: str) -> tuple[str, str, str]:
        trial = Trial(
            mutant="m",
            digest="d",
            wall="2026",
            kind="k",
            title="t",
            stack="s",
            experiment="e",
            check="c",
            run_id="r",
            verdict=Verdict.FAIL,
            failed=("f",),
            doubted=(),
            because=f"why{taint}",
        )
        matrix = kills.Matrix(trials=(trial,))
        rows = Kept(
            run_id="r",
            wall="2026-01-01",
            machine=f"m{taint}",
            version=f"v{taint}",
            experiment="e",
            stack="s",
            verdict=Verdict.FAIL,
            failed=(),
            doubted=(),
            seconds=1.0,
            measures={},
        )
        return kill_page.page(matrix), kills.table(matrix), counts.page([rows])

    (page, *tables), (harmless, *plain) = pages_of(taint), pages_of("~")
    assert shape(page) == shape(harmless)
    assert not steering(page)
    for table, usual in zip(tables, plain, strict=True):
        assert not steering(table)
        bars = [len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()]
        assert bars == [len(re.findall(r"(?<!\\)\|", line)) for line in usual.splitlines()]


@given(st.text(alphabet="\\[]/ab #@=", max_size=12))
def test_foreign_text_reads_as_it_is_in_markup(text: str) -> None:
    assert render(f"<{escaped(f'{text}|')}>").plain == f"<{text}|>"

"""What documents point to is there, and the site has all of them."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from harness.settings import ROOT
from tests.stack import crashes
from tests.stack.test_crash import KINDS

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)


def anchor(heading: str) -> str:
    """As code hosts make it: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {anchor(heading) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if link.startswith(("http://", "https://")):
            continue
        name, _, part = link.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), f"{link} leads nowhere"
        if part and there.suffix == ".md":
            assert part in anchors(there), f"{link}: there is no such heading"


def test_the_page_of_killed_harnesses_is_made_of_what_was_seen() -> None:
    rows = crashes.read(crashes.KEPT)
    assert crashes.PAGE.read_text(encoding="utf-8") == crashes.page(rows, [kind.name for kind in KINDS])


def test_a_crash_that_is_tried_again_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    first, second = (
        crashes.Crash(fault="kill", moment="undo", stack="celery", left=left, healed_s=took, verdict="INVALID")
        for left, took in (((), 9.0), (("a pod is stopped",), 31.0))
    )
    other = first.model_copy(update={"moment": "baseline"})
    crashes.keep(tmp_path / "rows.json", [first])
    assert crashes.keep(tmp_path / "rows.json", [second, other]) == [other, second]
    assert "| kill | – | 9 s | – | **31 s** | – | – |" in crashes.page([other, second], ["kill"])


@pytest.fixture(scope="module")
def site() -> ModuleType:
    spec = spec_from_file_location("site_hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_site_leads_to_every_document(site: ModuleType) -> None:
    nav = re.findall(r"^ +- (?:.*: )?([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(nav) == sorted(site.place(str(page.relative_to(ROOT))) for page in PAGES)


@pytest.mark.parametrize(
    ("here", "text", "there"),
    [
        ("README.md", "[a](docs/run.md#x) ![b](docs/stack.svg)", "[a](run.md#x) ![b](stack.svg)"),
        ("README.md", "[a](CONTRIBUTING.md) [b](LICENSE)", "[a](CONTRIBUTING.md) [b](LICENSE)"),
        ("docs/run.md", "[a](../README.md#x) [b](experiments/any.md#y)", "[a](index.md#x) [b](experiments/any.md#y)"),
        ("docs/experiments/any.md", "[a](../run.md) [b](any.svg)", "[a](../run.md) [b](any.svg)"),
        ("docs/experiments/any.md", "[a](../../README.md)", "[a](../index.md)"),
        ("benchmarks/README.md", "[a](../docs/run.md) [b](one.csv)", "[a](../run.md) [b](one.csv)"),
        ("docs/run.md", "[a](https://b.c/d) [e](#f)", "[a](https://b.c/d) [e](#f)"),
        ("docs/run.md", "`[a](../README.md)`\n```\n[a](../README.md)\n```", None),
    ],
)
def test_links_lead_to_where_their_targets_are_in_the_site(
    site: ModuleType, here: str, text: str, there: str | None
) -> None:
    assert site.turned(text, here) == (there or text)


@pytest.mark.parametrize(
    ("html", "loaded"),
    [
        ('<script src="https://a.b/c.js"></script>', ["https://a.b/c.js"]),
        ("<script defer src=//a.b/c.js></script>", ["//a.b/c.js"]),
        (
            '<link rel="stylesheet" href="https://a.b/c.css"><img alt="x" src="https://a.b/c.png">',
            ["https://a.b/c.css", "https://a.b/c.png"],
        ),
        ('<a href="https://a.b/c"></a><script src="c.js"></script><link rel="stylesheet" href="../c.css">', []),
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(site: ModuleType, html: str, loaded: list[str]) -> None:
    assert site.LOADED.findall(html) == loaded

"""The pages say what the files say, and what the last runs came to; those in docs/ are the present ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from harness import experiment, sources
from harness.bounds import owed
from harness.catalogue import targets
from harness.catalogue.measured import Measured, read
from harness.catalogue.pages import files, publish
from harness.catalogue.section import PROOFS, linked
from harness.chaos import actions
from harness.errors import UsageError
from harness.settings import ROOT, Profile, Settings
from harness.slo import every, own, stacks

DOCS = ROOT / "docs" / "experiments"
SLO = ROOT / "slo.yaml"
NAMES = [path.stem for path in sources.files()]
PLACES = [(name, p, stack) for name in NAMES for p in get_args(Profile) for stack in stacks(SLO, p, name)]


@pytest.fixture(scope="module")
def measured() -> Measured:
    return read(ROOT / "docs" / "measured.json")


@pytest.fixture(scope="module")
def made(measured: Measured) -> dict[str, str]:
    return files(ROOT / "experiments", SLO, measured)


def test_the_files_in_the_documents_are_the_present_ones(made: dict[str, str]) -> None:
    there = {path.name: path.read_text(encoding="utf-8") for path in DOCS.iterdir()}
    assert there.keys() == made.keys(), "run: harness catalogue"
    assert [name for name in made if there[name] != made[name]] == [], "run: harness catalogue"


def test_every_experiment_has_one_section_and_one_row_of_the_index(made: dict[str, str]) -> None:
    sections = [
        (line.removeprefix("## "), name)
        for name, text in made.items()
        if name.endswith(".md") and name not in ("index.md", "default-bounds.md")
        for line in text.splitlines()
        if line.startswith("## ")
    ]
    assert sorted(name for name, _ in sections) == NAMES
    rows = [line.split(" | ")[0] for line in made["index.md"].splitlines() if line.startswith("| [")]
    assert sorted(rows) == sorted(f"| [{name}]({page}#{name})" for name, page in sections)


def test_every_bound_of_an_experiment_is_told_with_its_origin_or_a_link(made: dict[str, str]) -> None:
    for name, profile, stack in PLACES:
        one = experiment.load(ROOT / "experiments" / f"{name}.json")
        there = Settings(stack=stack, profile=profile, slo_file=SLO)
        told = _section(made[targets.of(one.plan.component).page], name)
        mine, bounds = own(SLO, there.deployment, name), owed(one, there)
        for bound in bounds.values():
            if bound.name in mine:
                row = f"| {bound.name} | {bound.sense} {bound.limit:g}"
                assert row in told, f"{name} on {there.deployment}"
                assert _plain(bound.origin) in _plain(told), f"{name} on {there.deployment}: {bound.name}"
        assert f"default-bounds.md#{profile}" in told or mine >= bounds.keys()


def _section(page: str, name: str) -> str:
    return re.split(rf"^## {name}$", page, flags=re.MULTILINE)[1].split("\n## ")[0]


def _plain(text: str) -> str:
    """Without links."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text.replace("docs/", ""))


def test_every_default_bound_is_told_once(made: dict[str, str]) -> None:
    page = _plain(made["default-bounds.md"])
    for bound in (*every(SLO, "tuned").values(), *every(SLO, "tuned", "kubernetes").values()):
        assert f"| {_plain(bound.origin)} |" in page
    told = [line for name, text in made.items() if name != "default-bounds.md" for line in text.splitlines()]
    origin = every(SLO, "tuned")["tasks.overlapping"].origin
    assert not [line for line in told if origin in line]


def test_what_was_run_has_a_curve_that_is_shown(made: dict[str, str], measured: Measured) -> None:
    ran = {name for name, _, _ in PLACES if measured.root.get(name)}
    assert {name.removesuffix(".svg") for name in made if name.endswith(".svg")} == ran
    pages = "".join(text for name, text in made.items() if name.endswith(".md"))
    assert set(re.findall(r"\]\(([\w-]+)\.svg\)", pages)) == ran


def test_without_any_run_nothing_was_run_yet() -> None:
    nothing = files(ROOT / "experiments", SLO, Measured({}))
    text = "".join(text for name, text in nothing.items() if name != "index.md")
    assert text.count("not run yet") == len(PLACES)
    assert not [name for name in nothing if name.endswith(".svg")]


def test_a_known_failure_is_told(made: dict[str, str]) -> None:
    assert "Known: tasks.duplicated ([issue](https://github.com/apache/airflow/pull/73244))" in made["webserver.md"]


def test_what_is_no_longer_made_goes_and_the_rest_stays(tmp_path: Path) -> None:
    for name in ("gone.md", "gone.svg", "other.json", "one.md"):
        (tmp_path / name).write_text("old", encoding="utf-8")
    publish({"one.md": "new", "two.svg": "new"}, tmp_path)
    there = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert there == {"one.md": "new", "two.svg": "new", "other.json": "old"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("As for a-b: 3 s.", "As for [a-b](x.md#a-b): 3 s."),
        ("As for a-b-c, and a-b", "As for [a-b-c](y.md#a-b-c), and [a-b](x.md#a-b)"),
        ("an a-bad, pa-b, a-b-x, a/a-b and null", "an a-bad, pa-b, a-b-x, a/a-b and null"),
        ("(docs/judging.md)", "([judging.md](../judging.md))"),
    ],
)
def test_what_a_text_refers_to_is_linked(text: str, said: str) -> None:
    assert linked(text, {"a-b": "x.md", "a-b-c": "y.md", "null": "z.md"}) == said


def test_a_component_without_a_page_is_refused() -> None:
    with pytest.raises(UsageError, match="component 'printer' has no page"):
        targets.of("printer")


def test_no_component_has_two_pages() -> None:
    known = [component for target in targets.TARGETS for component in target.components]
    assert len(known) == len(set(known))


def test_every_action_has_its_proof_and_every_fault_its_kind() -> None:
    named = {n for n, f in vars(actions).items() if callable(f) and getattr(f, "__module__", "") == actions.__name__}
    assert PROOFS.keys() == {n for n in named if not n.startswith("_") and n not in ("undo",)}
    kinds = [name for names in targets.KINDS.values() for name in names]
    assert sorted(kinds) == sorted(PROOFS.keys() - {"pile_up", "back_up"})

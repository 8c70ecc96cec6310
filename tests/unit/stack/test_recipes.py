"""Keys: a second look finds the same ones, and a change moves those that are made from it and no other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.settings import ROOT
from harness.stack import recipes
from harness.stack.recipes import Table, _hash, load

TABLE = """\
[base]
suite = "bookworm"
packages = ["ca-certificates"]
[programs.one]
[programs.two]
ldflags = "-X a=b"
[images.red]
published = "r.example/red:1"
recipe = "red"
programs = ["one"]
[images.pink]
published = "r.example/pink:1"
recipe = "red"
target = "pink"
programs = ["one", "two"]
[images.blue]
published = "r.example/blue:1"
digest = "sha256:00"
recipe = "blue"
"""
IMAGES = {"images/red", "images/pink", "images/blue"}
ALL = {"base", "programs/one", "programs/two", *IMAGES}
Edit = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "images.toml": TABLE,
        "red/Dockerfile": "FROM base",
        "red/files/a.conf": "a",
        "blue/Dockerfile": "FROM base",
        "one/go.mod": "module one",
        "one/main.go": "package main",
        "two/go.mod": "module two",
        "two/go.sum": "sums",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def write(name: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        (folder / name).write_text(text, encoding="utf-8")

    return edit


def row(old: str, new: str) -> Edit:
    def edit(folder: Path) -> None:
        assert TABLE.count(old) == 1
        (folder / "images.toml").write_text(TABLE.replace(old, new), encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    ("edit", "moved"),
    [
        (write("blue/Dockerfile", "FROM base\n"), {"images/blue"}),
        (write("red/files/a.conf", "b"), {"images/red", "images/pink"}),
        (write("red/files/b.conf", ""), {"images/red", "images/pink"}),
        (write("one/main.go", "package main\n"), {"programs/one", "images/red", "images/pink"}),
        (write("two/go.sum", "other sums"), {"programs/two", "images/pink"}),
        (write("one/README.md", "not built from"), set()),
        (write("unrelated", ""), set()),
        (lambda folder: (folder / "red/files/a.conf").unlink(), {"images/red", "images/pink"}),
        (lambda folder: (folder / "red/files/a.conf").rename(folder / "red/a.conf"), {"images/red", "images/pink"}),
        (row('"-X a=b"', '"-X a=c"'), {"programs/two", "images/pink"}),
        (row('"r.example/blue:1"', '"r.example/blue:2"'), {"images/blue"}),
        (row('target = "pink"', 'target = "rose"'), {"images/pink"}),
        (row('["ca-certificates"]', '["ca-certificates", "tzdata"]'), {"base", *IMAGES}),
        (row("[images.red]", "# a word to readers\n[images.red]"), set()),
    ],
)
def test_a_change_moves_the_keys_of_what_is_made_from_it_and_no_other(
    folder: Path, edit: Edit, moved: set[str]
) -> None:
    before = load(folder).keys
    assert load(folder).keys == before
    edit(folder)
    after = load(folder).keys
    assert {name for name in before if before[name] != after[name]} == moved
    assert before.keys() == after.keys() == ALL


def test_where_the_recipes_lie_does_not_count(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = shutil.copytree(folder, tmp_path_factory.mktemp("clone") / "images")
    assert load(elsewhere).keys == load(folder).keys


def test_keys_tell_all_rows_apart(folder: Path) -> None:
    table = load(folder)
    keys = [table.base_key(), table.program_key("one"), table.program_key("two")]
    keys += [table.image_key(name) for name in table.images]
    assert len(set(keys)) == len(ALL)
    assert all(len(key) == 16 and set(key) <= set("0123456789abcdef") for key in keys)


def test_a_bundles_key_is_that_of_its_images_and_of_how_they_are_had(folder: Path) -> None:
    table = load(folder)
    key = table.bundle_key(("red", "blue"), "build")
    assert key == table.bundle_key(("blue", "red"), "build")
    assert key != table.bundle_key(("red", "blue"), "pull")
    assert key != table.bundle_key(("red",), "build")
    write("pink", "")(folder)
    assert load(folder).bundle_key(("red", "blue"), "build") == key
    write("blue/Dockerfile", "FROM scratch")(folder)
    assert load(folder).bundle_key(("red", "blue"), "build") != key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base = [", "not a valid table"),
        (TABLE.replace("suite =", "suit ="), "suit"),
        (TABLE.replace('programs = ["one"]', 'programs = ["three", "four"]'), "red needs programs .* four, three"),
        (TABLE.replace('recipe = "blue"', ""), "recipe"),
        (
            TABLE.replace('recipe = "red"', 'recipe = "red"\non = "blue"', 1),
            "red is built on blue, which no row before it",
        ),
    ],
)
def test_a_wrong_table_is_refused(folder: Path, text: str, said: str) -> None:
    (folder / "images.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=rf"(?s)images/images\.toml.*{said}"):
        load(folder)


def test_pulling_is_by_digest_where_one_is_known(folder: Path) -> None:
    images = load(folder).images
    assert images["blue"].pinned == "r.example/blue:1@sha256:00"
    assert images["red"].pinned == "r.example/red:1"


def test_an_image_is_another_when_that_below_it_is(folder: Path) -> None:
    with (folder / "images.toml").open("a", encoding="utf-8") as table:
        table.write('[images.dark]\npublished = "airflow-chaos/dark:1"\nrecipe = "blue"\non = "red"\n')
    before = load(folder)
    assert [name for name, image in before.images.items() if image.ours] == ["dark"]
    write("red/Dockerfile", "FROM elsewhere")(folder)
    after = load(folder)
    assert before.image_key("dark") != after.image_key("dark")
    assert before.image_key("blue") == after.image_key("blue")


def test_an_image_is_another_when_what_it_takes_in_is(tmp_path: Path) -> None:
    """Sources lie beside the folder of recipes; what Python left among them does not count."""
    folder, src = tmp_path / "images", tmp_path / "src"
    for path in (folder / "own", src / "__pycache__"):
        path.mkdir(parents=True)
    (folder / "own" / "Dockerfile").write_text("FROM base", encoding="utf-8")
    (src / "a.py").write_text("a", encoding="utf-8")
    head = TABLE.split("[programs", maxsplit=1)[0]
    row = '[images.own]\npublished = "airflow-chaos/own:1"\nrecipe = "own"\nsources = ["src", "one.txt"]\n'
    (folder / "images.toml").write_text(f"{head}\n[programs]\n{row}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"one\.txt is to be taken into an image, and is not there"):
        load(folder)
    (tmp_path / "one.txt").write_text("1", encoding="utf-8")
    before = load(folder).image_key("own")
    (src / "__pycache__" / "a.pyc").write_text("x", encoding="utf-8")
    assert load(folder).image_key("own") == before
    (src / "a.py").write_text("b", encoding="utf-8")
    assert load(folder).image_key("own") != before


def test_another_folder_stands_in_for_a_recipes_files(folder: Path) -> None:
    """The same steps with another lock: of the recipe, only what it does counts."""
    before = load(folder).keys
    (folder / "lilac").mkdir()
    (folder / "lilac" / "a.conf").write_text("b", encoding="utf-8")
    with (folder / "images.toml").open("a", encoding="utf-8") as table:
        table.write('[images.lilac]\npublished = "r.example/red:0"\nrecipe = "red"\ncontext = "lilac"\n')
    there = load(folder)
    assert {name: there.keys[name] for name in before} == before
    for edit, moves in (
        (write("red/files/a.conf", "c"), False),
        (write("lilac/a.conf", "c"), True),
        (write("red/Dockerfile", "FROM other"), True),
    ):
        known = load(folder).image_key("lilac")
        edit(folder)
        assert (load(folder).image_key("lilac") != known) is moves


parts = st.lists(st.binary(max_size=6) | st.text("ab0", max_size=6), max_size=4)


@given(parts, parts)
def test_the_hash_tells_its_parts_apart(some: list[bytes | str], other: list[bytes | str]) -> None:
    def data(every: list[bytes | str]) -> list[bytes]:
        return [p if isinstance(p, bytes) else p.encode() for p in every]

    assert (_hash(*some) == _hash(*other)) is (data(some) == data(other))


@pytest.fixture(scope="module")
def shipped() -> Table:
    return load()


def test_every_shipped_row_has_its_recipe(shipped: Table) -> None:
    for name, image in shipped.images.items():
        assert (recipes.FOLDER / image.recipe / "Dockerfile").is_file(), name
    for name in shipped.programs:
        assert (recipes.FOLDER / name / "go.mod").is_file(), name


def test_no_two_shipped_images_have_one_name_or_one_key(shipped: Table) -> None:
    assert len({i.published for i in shipped.images.values()}) == len(shipped.images)
    assert len(set(shipped.keys.values())) == len(shipped.keys)


def test_the_manifests_use_images_of_the_table_only(shipped: Table) -> None:
    """They name images by a short word, which one component replaces by the published reference.

    What is not ours (`foreign`) names its own, and `here` beside it replaces them by ours.
    """
    deploy = ROOT / "deploy"
    replaced = yaml.safe_load((deploy / "components" / "images" / "kustomization.yaml").read_text(encoding="utf-8"))
    references = {row["name"]: f"{row['newName']}:{row['newTag']}" for row in replaced["images"]}
    assert set(references.values()) <= {image.published for image in shipped.images.values()}
    ours = [path for path in deploy.rglob("*.yaml") if "foreign" not in path.parts]
    lines = [line for path in ours for line in path.read_text(encoding="utf-8").splitlines()]
    named = {line.split("image: ")[1].strip() for line in lines if line.strip().startswith("image: ")}
    assert named == references.keys()

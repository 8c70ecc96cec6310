"""The node image with all images in it: made whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import CommandFailed
from harness.stack import bundle
from harness.stack.bundle import _canonical
from harness.stack.recipes import Table, load

IMAGES = {"r.example/a:1": "airflow-chaos/a:00", "b/c:1": "r.example/c:1@sha256:00"}
DOCKER = """#!/bin/sh
echo "$*" >>"{said}"
case "$*" in
*" import "*) {imports} ;;
*" pkill "*) ;;
*/mnt/snapshots*) {finishes} ;;
*" images list "*) {lists} ;;
save*) {saves} ;;
esac
"""


class Engine:
    """A stand-in for docker that keeps what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.said = folder / "said"
        self._program = folder / "docker"
        self.does()

    def does(
        self, *, imports: str = "cat >/dev/null", saves: str = "echo images", finishes: str = ":", lists: str = ":"
    ) -> None:
        self.said.touch()
        text = DOCKER.format(said=self.said, imports=imports, saves=saves, finishes=finishes, lists=lists)
        self._program.write_text(text, encoding="utf-8")
        self._program.chmod(0o755)

    def asked(self, word: str) -> list[str]:
        lines = self.said.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line.split()[:1] == [word]]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return Engine(tmp_path)


@pytest.fixture(scope="module")
def table() -> Table:
    return load()


def test_every_image_is_put_in_under_its_published_name(engine: Engine) -> None:
    bundle.make("node:1", IMAGES, "bundle:1", unpack=True)
    tagged = [line.split()[-2:] for line in engine.asked("exec") if " tag " in line]
    assert tagged == [
        ["docker.io/airflow-chaos/a:00", "r.example/a:1"],
        ["r.example/c:1", "docker.io/b/c:1"],
    ]
    assert engine.asked("save") == [f"save {' '.join(IMAGES.values())}"]
    (start,), (commit,), (removal,) = (engine.asked(word) for word in ("run", "commit", "rm"))
    assert "node:1" in start
    assert commit.endswith("bundle:1")
    name = start.split("--name ")[1].split()[0]
    assert name in commit
    assert name in removal


@pytest.mark.parametrize(
    "does",
    [
        {"imports": "exit 1"},
        {"saves": "exit 1"},
        # More than a pipe holds: nobody may wait for a reader that is gone.
        {"imports": "exit 1", "saves": "head -c 5000000 /dev/zero"},
    ],
)
def test_a_failure_leaves_neither_a_half_image_nor_a_container(engine: Engine, does: dict[str, str]) -> None:
    engine.does(**does)
    with pytest.raises(CommandFailed, match="could not be put into the node image"):
        bundle.make("node:1", IMAGES, "bundle:1", unpack=True)
    assert engine.asked("commit") == []
    assert len(engine.asked("rm")) == 1


@pytest.mark.parametrize("unpack", [False, True])
def test_images_are_unpacked_there_or_on_the_nodes(engine: Engine, unpack: bool) -> None:
    bundle.make("node:1", IMAGES, "bundle:1", unpack=unpack)
    (imported,) = [line for line in engine.asked("exec") if " import " in line]
    assert ("--no-unpack" in imported) is not unpack


def test_what_cannot_be_moved_is_no_image(engine: Engine) -> None:
    engine.does(finishes="exit 1")
    with pytest.raises(CommandFailed):
        bundle.make("node:1", IMAGES, "bundle:1", unpack=True)
    assert engine.asked("commit") == []
    assert len(engine.asked("rm")) == 1


def test_what_cannot_be_shared_is_unpacked_on_the_nodes(engine: Engine) -> None:
    engine.does(finishes=f"grep -q no-unpack {engine.said} || exit 3")
    bundle.make("node:1", IMAGES, "bundle:1", unpack=True)
    assert [("--no-unpack" in line) for line in engine.asked("exec") if " import " in line] == [False, True]
    assert len(engine.asked("commit")) == 1
    assert len(engine.asked("rm")) == 2


def test_its_name_tells_which_images_it_carries(table: Table) -> None:
    one = bundle.reference(table, ("redis", "airflow"), "build")
    assert one == bundle.reference(table, ("airflow", "redis"), "build")
    assert one.startswith("airflow-chaos/bundle:")
    others = [bundle.reference(table, ("redis",), "build"), bundle.reference(table, ("redis", "airflow"), "pull")]
    assert len({one, *others}) == 3


def test_of_an_image_whose_tag_is_its_key_only_the_newest_stays(engine: Engine) -> None:
    names = ("harness:old", "harness:new", "harness-of-others:1", "redis:1")
    engine.does(lists="; ".join(f"echo docker.io/airflow-chaos/{name}" for name in names))
    bundle.forget_others("node", "airflow-chaos/harness:new")
    (removed,) = [line for line in engine.asked("exec") if " remove " in line]
    assert removed.split(" remove ")[1] == "docker.io/airflow-chaos/harness:old"
    engine.does(lists="echo docker.io/airflow-chaos/harness:new")
    bundle.forget_others("node", "airflow-chaos/harness:new")
    assert len([line for line in engine.asked("exec") if " remove " in line]) == 1


def test_one_that_keeps_its_name_is_not_tagged_onto_itself(engine: Engine) -> None:
    bundle.load("node", {"airflow-chaos/harness:new": "airflow-chaos/harness:new"})
    assert [line for line in engine.asked("exec") if " import " in line]
    assert not [line for line in engine.asked("exec") if " tag " in line]


@pytest.mark.parametrize(
    ("reference", "canonical"),
    [
        ("quay.io/metallb/speaker:v1", "quay.io/metallb/speaker:v1"),
        ("docker.io/library/redis:7", "docker.io/library/redis:7"),
        ("localhost:5000/x:1", "localhost:5000/x:1"),
        ("airflow-chaos/pod-network:1", "docker.io/airflow-chaos/pod-network:1"),
    ],
)
def test_containerd_wants_a_registry_in_every_name(reference: str, canonical: str) -> None:
    assert _canonical(reference) == canonical


def test_every_shipped_name_is_one_that_containerd_takes(table: Table) -> None:
    for image in table.images.values():
        assert _canonical(_canonical(image.published)) == _canonical(image.published)
        assert "." in _canonical(image.published).split("/", maxsplit=1)[0]

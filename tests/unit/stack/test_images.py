"""How a machine comes to its images: what already stands decides, then whether a registry answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.settings import Settings
from harness.stack import bundle, images
from harness.stack.recipes import FOLDER, Image, Table, load

DOCKER = """#!/bin/sh
case "$1 $2" in
"image inspect") grep -qxF -e "${{5:-$3}}" "{there}" ;;
"manifest inspect") grep -qxF -e "$3" "{online}" ;;
"images {all}") cat "{there}" ;;
"buildx build") echo "$@" >>"{built}"; while [ "$1" != --tag ]; do shift; done; echo "$2" >>"{there}" ;;
"pull --quiet") echo "$3" >>"{there}" ;;
"rmi "*) grep -vxF -e "$2" "{there}" >"{there}.new"; mv "{there}.new" "{there}" ;;
*) exit 1 ;;
esac
"""


class Engine:
    """A stand-in for docker that knows which images stand and which a registry has."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._there, self._online, self._built = folder / "there", folder / "online", folder / "built"
        self.has()
        self.registry_has()
        text = DOCKER.format(there=self._there, online=self._online, built=self._built, all="airflow-chaos/*")
        (folder / "docker").write_text(text, encoding="utf-8")
        (folder / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    def has(self, *references: str) -> None:
        self._there.write_text("".join(f"{r}\n" for r in references), encoding="utf-8")

    def registry_has(self, *references: str) -> None:
        self._online.write_text("".join(f"{r}\n" for r in references), encoding="utf-8")

    @property
    def built(self) -> list[str]:
        """The calls that built something."""
        return self._built.read_text(encoding="utf-8").splitlines() if self._built.exists() else []

    @property
    def there(self) -> set[str]:
        return set(self._there.read_text(encoding="utf-8").split())


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    return Engine(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def table() -> Table:
    return load()


def built(table: Table, name: str) -> str:
    return f"airflow-chaos/{name}:{table.image_key(name)}"


def base(table: Table) -> dict[str, Image]:
    """All but what comes onto a cluster with the stacks that need it."""
    return {name: image for name, image in table.images.items() if not image.addon}


def node_of(table: Table, how: str) -> str:
    carried = tuple(n for n, image in base(table).items() if n != "node" and (how == "build" or not image.node))
    return bundle.reference(table, carried, how)


def test_without_a_registry_everything_is_to_be_built(engine: Engine, table: Table) -> None:
    plan = images.plan(Settings(), table)
    assert plan.how == "build"
    assert set(plan.missing) == set(base(table)) < set(table.images)
    assert plan.node == node_of(table, "build")


def test_where_the_registry_answers_images_are_pulled_but_for_those_that_the_node_image_holds(
    engine: Engine, table: Table
) -> None:
    engine.registry_has(table.images["node"].pinned)
    plan = images.plan(Settings(), table)
    assert plan.how == "pull"
    assert set(plan.missing) == {name for name, image in base(table).items() if not image.node}
    assert "node" in plan.missing
    assert "kube-apiserver" not in plan.missing


def test_a_node_image_that_was_pulled_is_used_offline(engine: Engine, table: Table) -> None:
    engine.has(table.images["node"].pinned)
    assert images.plan(Settings(), table).how == "pull"


def test_what_was_built_is_used_though_a_registry_answers(engine: Engine, table: Table) -> None:
    engine.registry_has(table.images["node"].pinned)
    engine.has(node_of(table, "build"))
    plan = images.plan(Settings(), table)
    assert (plan.how, plan.missing) == ("build", ())


@pytest.mark.parametrize("how", ["pull", "build"])
def test_what_was_asked_for_is_done_whatever_stands(engine: Engine, table: Table, how: str) -> None:
    engine.has(node_of(table, "pull" if how == "build" else "build"))
    plan = images.plan(Settings.model_validate({"images": how}), table)
    assert (plan.how, plan.node) == (how, node_of(table, how))
    assert plan.missing


def test_only_what_does_not_stand_is_missing(engine: Engine, table: Table) -> None:
    engine.has(*(built(table, name) for name in table.images if name not in ("redis", "airflow")))
    assert set(images.plan(Settings(images="build"), table).missing) == {"redis", "airflow"}


def test_nothing_is_missing_once_the_bundle_stands(engine: Engine, table: Table) -> None:
    engine.has(node_of(table, "build"))
    assert images.plan(Settings(images="build"), table).missing == ()


def test_images_pulled_and_built_never_share_a_name(table: Table) -> None:
    assert node_of(table, "pull") != node_of(table, "build")
    for name, image in table.images.items():
        pulled = images._local(table, name, "pull")
        assert pulled == (built(table, name) if image.ours else image.pinned)
        assert image.ours or images._local(table, name, "build") != pulled


def test_a_stack_asks_for_the_images_that_its_manifests_name(table: Table) -> None:
    celery = "image: docker.io/library/redis:7.0.15-bookworm"
    assert images.addons_in(table, celery) == ()
    assert images.addons_in(table, f"{celery}\nimage: airflow-chaos/pgbouncer:1") == ("pgbouncer",)


@pytest.mark.parametrize("how", ["pull", "build"])
def test_what_no_registry_has_is_built_on_what_this_machine_has(
    engine: Engine, table: Table, how: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"images": how, "cache": tmp_path})
    below = images._local(table, "postgres", how)
    if how == "build":
        engine.has(below)
    images.ensure_addon(settings, table, ("patroni", "pgbouncer"), [], lambda said: None)
    assert engine.there >= {below, built(table, "patroni"), built(table, "pgbouncer")}
    assert len(engine.built) == 2
    assert all(f"airflow-chaos/postgres=docker-image://{below}" in call for call in engine.built)
    images.ensure_addon(settings, table, ("patroni", "pgbouncer"), [], lambda said: None)
    assert len(engine.built) == 2


def test_the_release_before_is_built_by_the_same_steps_with_a_lock_of_its_own(
    engine: Engine, table: Table, tmp_path: Path
) -> None:
    engine.has(f"airflow-chaos/base:{table.base_key()}")
    settings = Settings.model_validate({"images": "build", "cache": tmp_path})
    images.ensure_addon(settings, table, ("airflow-previous",), [], lambda said: None)
    (call,) = engine.built
    assert f"--file {FOLDER / 'airflow' / 'Dockerfile'}" in call
    assert call.endswith(str(FOLDER / "airflow-previous"))
    assert sorted(path.name for path in (FOLDER / "airflow-previous").iterdir()) == [
        "lock",
        "requirements.in",
        "requirements.txt",
    ]


def test_what_newer_recipes_replaced_is_removed_and_nothing_else(engine: Engine, table: Table) -> None:
    keep = {node_of(table, "build"), f"airflow-chaos/base:{table.base_key()}", built(table, "redis")}
    engine.has(*keep, "airflow-chaos/redis:0000000000000000", "airflow-chaos/bundle:0000000000000000")
    images._prune(table, node_of(table, "build"))
    assert engine.there == keep


def test_a_recipe_takes_in_the_sources_that_its_row_names_and_nothing_else(table: Table, tmp_path: Path) -> None:
    harness = table.images["harness"]
    with images._staged(Settings(cache=tmp_path), harness) as suite:
        taken = {str(path.relative_to(suite)) for path in suite.rglob("*") if path.is_file()}
    assert {"harness/cli.py", "experiments/null.json", "hatch_build.py", "slo.yaml", "uv.lock"} <= taken
    assert {name.split("/")[0] for name in taken} == {name.split("/")[0] for name in harness.sources}
    assert not [name for name in taken if "__pycache__" in name or name.startswith("tests")]
    assert not suite.exists()


def test_our_own_image_is_built_of_our_sources_and_bears_its_key(engine: Engine, table: Table, tmp_path: Path) -> None:
    engine.has(f"airflow-chaos/base:{table.base_key()}")
    settings = Settings.model_validate({"images": "build", "cache": tmp_path})
    assert images.ensure_own(settings, table, "harness", [], lambda said: None) == built(table, "harness")
    (call,) = engine.built
    assert "--build-context suite=" in call

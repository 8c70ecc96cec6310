"""The database of a real stack is lost and restored; also by whoever comes after a harness that was killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.chaos import leftovers, restoring
from harness.chaos.archive import Archive
from harness.chaos.context import Context
from harness.chaos.undoing import undo_all
from harness.commands.console import Progress
from harness.history import History, Recorder
from harness.judge.restored import restored
from harness.kube import Kube
from harness.safety import Blast
from harness.settings import Settings
from harness.stack import steps

pytestmark = [pytest.mark.stack, pytest.mark.long]
STACK, SELECTOR = "celery-archive", "component=postgres,release=airflow"
COURSE = restoring.Course(15.0, 5.0, 170.0)
ASK = 'psql -XAtq -h /var/run/postgresql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "$0"'


@pytest.fixture(scope="module")
def archived(settings: Settings) -> Iterator[Settings]:
    """The stack with an archive; and then the one that the others find."""
    there = settings.model_copy(update={"stack": STACK})
    for step in ("airflow", "steady"):
        steps.climb(there, Progress(), step)
    yield there
    for step in ("airflow", "steady"):
        steps.climb(settings, Progress(), step)


@pytest.fixture
def context(archived: Settings, tmp_path: Path) -> Iterator[Context]:
    kube = Kube(archived)
    (tmp_path / "run-1").mkdir()
    recorder = Recorder.create(tmp_path / "run-1" / "history.jsonl")
    whole = {name: r.desired for name, r in kube.ready_replicas(archived.namespace).items()}
    blast = Blast(pods=1, share=1.0, seconds=180)
    yield Context(archived, kube, recorder, 1, whole, (archived.namespace,), blast)
    leftovers.repair(kube, archived, (archived.namespace,))
    recorder.close()


def sql(context: Context, words: str) -> str:
    (pod,) = context.kube.pods(context.settings.namespace, SELECTOR)
    return context.kube.once(pod, "", ("sh", "-c", ASK, words), 10.0).strip()


def test_it_is_lost_and_restored_and_that_is_proved(context: Context) -> None:
    sql(context, "create table if not exists kept (number int)")
    restoring.back_up(context, context.settings.namespace, SELECTOR, 120.0)
    sql(context, "insert into kept values (1)")
    restoring.lose_and_restore(context, context.settings.namespace, SELECTOR, COURSE)
    assert sql(context, "select count(*) from kept") == "1"  # 15 s of looking are longer than archive_timeout
    found = restored(History.read(context.recorder.path))
    assert found is not None
    assert found.timelines[1] > found.timelines[0]
    assert found.released - found.hit >= 5_000_000_000
    assert undo_all(context)
    (undone,) = [f for f in History.read(context.recorder.path).faults if f.phase == "rolled-back"]
    assert undone.evidence["ready"] == undone.evidence["expected"]
    assert undone.evidence["leftovers"] == []
    sql(context, "drop table kept")


def test_a_harness_that_was_killed_before_the_restore_is_healed(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_: object) -> None:
        raise KeyboardInterrupt

    kube, settings = context.kube, context.settings
    restoring.back_up(context, settings.namespace, SELECTOR, 120.0)
    with monkeypatch.context() as patch:
        patch.setattr(Archive, "restore", ends)
        with pytest.raises(KeyboardInterrupt):
            restoring.lose_and_restore(context, settings.namespace, SELECTOR, COURSE)
    left = [f"the data of {settings.namespace}/postgres are lost"]
    assert leftovers.find(kube, settings, (settings.namespace,)) == left
    assert leftovers.heal(kube, settings, (settings.namespace,)) == left
    assert leftovers.find(kube, settings, (settings.namespace,)) == []
    assert undo_all(context)
    assert sql(context, "select pg_is_in_recovery()") == "f"

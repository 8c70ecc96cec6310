"""From nothing to steady state, in steps that can be run alone and repeatedly: each skips what is already true."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.locking import only_one
from harness.settings import Settings
from harness.stack import cluster, deploy, engine, gobuild, images, machine, recipes, steady

Say = Callable[[str], None]


@dataclass(frozen=True)
class Look:
    """What a step found: whether its goal is already true, and what it would do."""

    done: bool
    plan: str


@dataclass(frozen=True)
class Step:
    """One step: `warm` and `cold` are the seconds that it took on two cores, with and without our caches."""

    name: str
    warm: int
    cold: int
    look: Callable[[Settings], Look]
    act: Callable[[Settings, Say], object]


class Display(Protocol):
    """Where progress is shown."""

    def begin(self, step: Step, look: Look) -> Say: ...

    def end(self, step: Step, seconds: float) -> None: ...


def climb(settings: Settings, display: Display, only: str | None = None) -> float:
    """Do every step in turn, or one alone, and return the seconds that it took.

    Raises `UsageError` before the first step if the stack in the settings does not exist, or another harness is at
    work on it.
    """
    deploy.overlay_of(settings)
    began = time.monotonic()
    with only_one(settings, "stack"):
        for step in STEPS:
            if only is None or step.name == only:
                start = time.monotonic()
                say = display.begin(step, step.look(settings))
                step.act(settings, say)
                display.end(step, time.monotonic() - start)
    return time.monotonic() - began


def _look_machine(settings: Settings) -> Look:
    found = machine.look(settings)
    plan = f"{found.cores} cores, {found.memory / machine.GB:.0f} GB of memory, {found.disk / machine.GB:.0f} GB free"
    return Look(False, plan)


def refuse_small_machine(settings: Settings) -> None:
    """Raises `UsageError` if disk or memory would not suffice for the steps still to be done."""
    plan = images.plan(settings, recipes.load()) if engine.look(settings).running else None
    building = plan.how == "build" and plan.missing if plan else settings.images != "pull"
    machine.look(settings).refuse_if_too_small(machine.DISK_BUILD if building else machine.DISK_START)


def _look_engine(settings: Settings) -> Look:
    found = engine.look(settings)
    return Look(found.running, found.plan())


def _look_images(settings: Settings) -> Look:
    if not engine.look(settings).running:
        return Look(False, "known when an engine runs")
    plan = images.plan(settings, recipes.load())
    verb = "pulled" if plan.how == "pull" else "built from packages"
    if not plan.missing:
        return Look(True, f"all there, {verb}")
    return Look(False, f"to be {verb}: {', '.join(plan.missing)}")


def _look_cluster(settings: Settings) -> Look:
    if not engine.look(settings).running:
        return Look(False, "known when an engine runs")
    table = recipes.load()
    found = cluster.look(settings, kind_program(settings), images.plan(settings, table).node)
    action = {"absent": "it will be created", "healthy": "it will be used", "broken": "it will be replaced"}
    return Look(found.state == "healthy", f"{found.detail}: {action.get(found.state, 'it is not ours')}")


def _look_airflow(settings: Settings) -> Look:
    return Look(False, "manifests are applied, what changed is rolled out")


def _look_steady(settings: Settings) -> Look:
    return Look(False, "every component Ready, one DAG run through the load balancer, a quiet machine")


def kind_program(settings: Settings) -> str:
    """Where kind is, or will be."""
    return str(gobuild.folder(settings, recipes.load(), "kind") / "bin" / "kind")


def _act_cluster(settings: Settings, say: Say) -> None:
    cluster.ensure(settings, kind_program(settings), images.plan(settings, recipes.load()).node)


STEPS = (
    Step("machine", 1, 1, _look_machine, lambda settings, say: refuse_small_machine(settings)),
    Step("engine", 1, 30, _look_engine, lambda settings, say: engine.ensure(settings)),
    Step("images", 1, 1200, _look_images, lambda settings, say: images.ensure(settings, recipes.load(), say)),
    Step("cluster", 30, 30, _look_cluster, _act_cluster),
    Step("airflow", 75, 75, _look_airflow, deploy.ensure),
    Step("steady", 20, 20, _look_steady, steady.ensure),
)

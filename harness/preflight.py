"""What must be true before an experiment may begin, and what the history's first line says about its environment."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from harness import calibrate, dagfiles, rights
from harness.airflow import Airflow
from harness.answers import Dag
from harness.chaos import leftovers, within
from harness.chaos.aims import Aim, Aims
from harness.chaos.footing import underfoot
from harness.errors import CommandFailed, HarnessError, OutOfReach, UsageError, WaitTimeout
from harness.experiment import Experiment
from harness.history import FORMAT, Meta, wall_now
from harness.judge.calibration import Calibration
from harness.kube import Kube
from harness.observe.owner import Owner
from harness.process import run
from harness.records import Schedule
from harness.settings import ROOT, Settings
from harness.slo import Bound
from harness.stack import window
from harness.stack.access import Access, open_access
from harness.stack.machine import fingerprint
from harness.stack.steady import wait_quiet
from harness.timetables import table

HANG = "hang_pods"
DEPLOY = "run `harness up`, or on somebody else's Airflow `harness dags export`"
DECIDING = ("dags", "deploy", "experiments", "harness", "images", "slo.yaml", "uv.lock")


@dataclass(frozen=True)
class Ground:
    """The standing stack: its doors, its pods by component, its namespaces, what would be hit now, and which DAGs of
    the load are paused."""

    kube: Kube
    access: Access
    replicas: dict[str, int]
    namespaces: tuple[str, ...]
    versions: dict[str, str]
    calibration: Calibration
    aims: tuple[Aim, ...]
    paused: tuple[str, ...]


def enter(experiment: Experiment, settings: Settings) -> Kube:
    """The cluster's door, if we may do there what the experiment needs. Raises `UsageError`, with nothing touched.

    All missing rights are named at once; before that, if we can see the namespace, it must allow faults at all.
    """
    possible(experiment, settings)
    kube = Kube(settings)
    in_reach(experiment, settings, ours=kube.ours)
    missing = kube.denied(rights.needed([experiment], settings))
    if rights.guard(settings.namespace) not in missing:
        kube.confirm(settings.namespace)
    if not kube.ours:  # elsewhere the Lease is optional
        missing = [right for right in missing if right not in rights.claim(settings.namespace)]
    if missing:
        what = "; ".join(map(str, missing))
        raise UsageError(f"the cluster does not let us {what}; have the output of `harness rbac` applied to it")
    if settings.aim.nodes == "agent":
        kube.confirm(settings.aim.agent.namespace)
    return kube


def look(experiment: Experiment, settings: Settings, kube: Kube) -> Ground:
    """Check everything that the run depends on, and touch nothing. Raises `UsageError` at the first thing that is
    wrong."""
    if owner := Owner.of(settings):
        owner.agree()
    _right_stack(kube, settings)
    namespaces = watched(settings, kube)
    if left := leftovers.find(kube, settings, namespaces):  # it may be why the stack is not whole
        raise UsageError(f"an earlier fault is not undone: {left[0]}; run harness heal")
    replicas = _whole(kube, settings)
    aims = Aims(experiment, kube, settings, namespaces).now()
    _stoppable(kube, settings, aims)
    for aim in aims:
        if why := underfoot(settings, "", aim.blow):
            raise OutOfReach(f"{aim.action} would hit what this harness stands on: {why}; nothing was done")
    access = open_access(settings, kube)
    versions, paused = _dags(experiment, access)
    calibration = calibrate.known(settings)
    if calibration is None:
        raise UsageError("the prober was not calibrated on this machine as it is now; run harness calibrate")
    versions["kubernetes"] = kube.server_version()
    return Ground(kube, access, replicas, namespaces, versions, calibration, tuple(aims), paused)


def possible(experiment: Experiment, settings: Settings) -> None:
    """Raises `OutOfReach` if the target's file does not say enough."""
    target = settings.aim
    if settings.target and (lacks := target.lacks()):
        raise OutOfReach(f"the target {target.name} does not say all that a run needs: {'; '.join(lacks)}")


def in_reach(experiment: Experiment, settings: Settings, *, ours: bool) -> None:
    """Raises `OutOfReach` if an action needs more of the target than it allows, or can give."""
    if lacking := rights.out_of_reach(experiment, settings, ours=ours):
        func, what = next(iter(lacking.items()))
        raise OutOfReach(f"the target {settings.aim.name}: {func} needs {what}; nothing was done")


def _stoppable(kube: Kube, settings: Settings, aims: Iterable[Aim]) -> None:
    """Raises `OutOfReach` if a pod would have to be stopped from inside, and cannot be."""
    hung = [pod for aim in aims if kube.closed and aim.action == HANG for pod in aim.of or aim.blow.pods]
    if why := next((why for pod in hung if (why := within.unstoppable(kube, pod))), None):
        raise OutOfReach(f"the nodes of the target {settings.aim.name} are closed, and {why}; nothing was done")


def watched(settings: Settings, kube: Kube) -> tuple[str, ...]:
    """The namespaces of the deployment and of the way to it; if it is not ours and no file describes it, only its
    own."""
    return settings.aim.namespaces if kube.ours or settings.target else (settings.namespace,)


def check_ground(experiment: Experiment, settings: Settings, kube: Kube) -> Ground:
    """As `look`, then prepare what the load needs. Raises `UsageError`, with nothing broken."""
    ground = look(experiment, settings, kube)
    _prepare(experiment, ground)
    try:
        wait_quiet(print)
    except WaitTimeout as cause:
        raise UsageError(f"the machine is not quiet enough to measure: {cause}; stop what else runs there") from cause
    return ground


def describe(
    experiment: Experiment,
    settings: Settings,
    ground: Ground,
    bounds: dict[str, Bound],
    run_id: str,
    schedules: dict[str, Schedule],
) -> Meta:
    """The first line of the history. `schedules` are the scheduled DAGs that were started for it."""
    probe = experiment.plan.probe
    targets = {
        t.name: {"rate_hz": t.rate_hz, "conn": list(t.conn), "url": url}
        for t in probe.targets
        if (url := ground.access.url(t.entry))
    }
    seen = {t.name: {"rate_hz": t.rate_hz, "conn": list(t.conn)} for t in probe.seen}
    points = [f"point-{number}" for number in range(probe.vantage.points)] if probe.vantage else []
    libraries = {name: version(name) for name in ("chaostoolkit", "chaostoolkit-kubernetes")}
    return Meta(
        t=0,
        format=FORMAT,
        run_id=run_id,
        experiment=experiment.name,
        stack=settings.deployment,
        component=experiment.plan.component,
        wall=wall_now(),
        machine=fingerprint(),
        versions={
            "airflow-chaos": settings.build or suite_version(),
            **libraries,
            "python": platform.python_version(),
            **ground.versions,
        },
        replicas=ground.replicas,
        slo={name: bound.to_json() for name, bound in bounds.items()},
        probe={
            "base_url": ground.access.base_url,
            "rate_hz": probe.rate_hz,
            "timeout_s": probe.timeout_s,
            "targets": targets,
            "calibration": ground.calibration.model_dump(),
            **({"vantage": {"points": points, "targets": seen}} if points else {}),
        },
        seed=experiment.plan.seed,
        recovery=sorted(name.removeprefix("recovery.") for name in bounds if name.startswith("recovery.")),
        schedules=schedules,
        pools=table().pools_of(schedules),
        ledger=ground.access.ledger is not None,
    )


def suite_version(root: Path = ROOT) -> str:
    """The package's version, plus the commit that it runs from, if that is known.

    A change to anything that affects times or verdicts makes it another version.
    """
    released = version("airflow-chaos")
    git = ("git", "--no-optional-locks", "-C", str(root))
    try:
        if not (root / ".git").exists():  # a repository that we are installed into says nothing of us
            return released
        commit = run([*git, "rev-parse", "--short=8", "HEAD"], timeout=10).strip()
        changed = run([*git, "diff", "--name-only", "HEAD", "--", *DECIDING], timeout=10).strip()
    except CommandFailed:
        return released
    return f"{released}+{commit}{'.changed' if changed else ''}"


def _right_stack(kube: Kube, settings: Settings) -> None:
    if settings.target:  # whatever stands there
        return
    standing = kube.stack(settings.namespace)
    wanted = settings.deployment
    if standing not in (None, wanted):
        up = f"harness up --stack {settings.stack} --profile {settings.profile}"
        raise UsageError(f"the stack {standing} is up, but the run is for {wanted}; run {up}")


def _whole(kube: Kube, settings: Settings) -> dict[str, int]:
    """Pods wanted, by component. Raises `UsageError` if some are not Ready, or a roll is under way."""
    found = kube.ready_replicas(settings.namespace)
    if not found:
        raise UsageError(f"the stack is not up: nothing is deployed in {settings.namespace}; run harness up")
    beside = watched(settings, kube)[1:]
    for namespace in (settings.namespace, *beside):
        if short := kube.rolling(namespace):
            raise UsageError(f"the stack is not up: {', '.join(short)} Ready, or still being rolled; run harness up")
    entry = {name: r for namespace in beside for name, r in kube.ready_replicas(namespace).items()}
    return {name: r.desired for name, r in (*entry.items(), *found.items())}


def _dags(experiment: Experiment, access: Access) -> tuple[dict[str, str], tuple[str, ...]]:
    """Airflow's version, and which DAGs of the load are paused."""
    plan = experiment.plan
    with _airflow(access) as door:
        known = {dag.dag_id: dag for dag in door.dags()}
        loads = [load.dag for load in (plan.workload, plan.writer, plan.surge) if load]
        if strange := [dag for dag in loads if dag not in known]:
            raise UsageError(f"Airflow knows no DAG {strange[0]}; deploy the DAGs of this suite: {DEPLOY}")
        for dag in (*loads, *plan.schedules):
            if dag in known:
                _same_version(known[dag])
        return {"airflow": door.version()}, tuple(dag for dag in loads if known[dag].is_paused)


def _same_version(dag: Dag) -> None:
    """Raises `UsageError` if a DAG does not come from the files that we would deploy."""
    if dagfiles.tag() not in dag.words:
        theirs = dagfiles.version_in(dag.words) or "without a version"
        raise UsageError(
            f"the DAG {dag.dag_id} that Airflow knows is {theirs}, and this suite's are {dagfiles.tag()}: deploy them "
            f"({DEPLOY}), or wait until Airflow has read them"
        )


def _prepare(experiment: Experiment, ground: Ground) -> None:
    """Pause scheduled DAGs, unpause the load's, and create the Variables to be written."""
    with _airflow(ground.access) as door:
        window.close(door)  # left open by a killed harness
        for dag in ground.paused:
            door.unpause(dag)
        for target in experiment.plan.probe.writes:
            for conn in target.conn:
                door.ensure(target.at(conn), target.variable(conn, ""))


@contextmanager
def _airflow(access: Access) -> Iterator[Airflow]:
    door = access.airflow(10)
    try:
        yield door
    except UsageError:
        raise
    except HarnessError as cause:
        raise UsageError(f"the stack is not up: {cause}; run harness up") from cause
    finally:
        door.close()

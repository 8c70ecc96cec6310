"""Airflow's own settings: what must be shared, and what bounds the recovery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from harness.audit.deployment import AIRFLOW, API_SERVER, SCHEDULER, WORKER, Deployment, Workload, at
from harness.audit.rule import Book, Said, broken, either, holds, unknown
from harness.audit.settings import Setting, setting

book = Book()
NODE_S = 50.0  # until Kubernetes has missed a node, half of the heartbeats may go to an api-server on it
LATE_S = 120.0
GUARDED = (3, 3, 2)
LOCALHOST = ("localhost", "127.0.0.1", "[::1]")


def _shared(deployment: Deployment, section: str, option: str, roles: Sequence[str]) -> Iterator[Said]:
    """One value, or one key of one Secret, for all of these."""
    found = [(one, setting(deployment, one, section, option)) for one in deployment.of(*roles)]
    if not found:
        return
    where, what = ", ".join(one.name for one, _ in found), f"{section}.{option}"
    without = [one.name for one, s in found if s.origin == "default" or s.value == ""]
    unseen = [f"{one.name} may have it from {s.source}" for one, s in found if s.origin == "unseen"]
    if without:
        yield broken(where, f"{what} is not set for {', '.join(without)}: each makes its own")
    elif unseen:
        yield unknown(where, f"{what}: {'; '.join(unseen)}")
    else:
        kinds = {s.value if s.value is not None else s.source for _, s in found}
        bad = f"{what} comes from {len(kinds)} places: {_sources(found)}"
        yield either(len(kinds) == 1, where, "all have the same", bad)


def _sources(found: list[tuple[Workload, Setting]]) -> str:
    return "; ".join(f"{one.name} from {said.source}" for one, said in found)


book.rule(
    "jwt-secret-shared",
    "One JWT secret for schedulers and api-servers",
    outage="A token that one replica signed is refused by the other: tasks fail, and users are logged out.",
    change="jwtSecretName: my-jwt-secret",
    experiment="webserver-kill",
)(partial(_shared, section="api_auth", option="jwt_secret", roles=(SCHEDULER, API_SERVER)))


book.rule(
    "api-secret-shared",
    "One API secret key for api-servers and workers",
    outage="Logs cannot be fetched, and sessions end, whenever another replica answers.",
    change="apiSecretKeySecretName: my-api-secret-key",
)(partial(_shared, section="api", option="secret_key", roles=(API_SERVER, WORKER)))


book.rule(
    "fernet-key-shared",
    "One Fernet key for all",
    outage="Connections and Variables that one component wrote cannot be read by another.",
    change="fernetKeySecretName: my-fernet-key",
)(partial(_shared, section="core", option="fernet_key", roles=AIRFLOW))


@book.rule(
    "secrets-renewed",
    "Secrets outlive an upgrade",
    outage="The chart makes the JWT and API secrets anew with each `helm upgrade`: tokens of running tasks are "
    "refused.",
    change="jwtSecretName: my-jwt-secret\napiSecretKeySecretName: my-api-secret-key",
    reads=("Secret",),
)
def _renewed(deployment: Deployment) -> Iterator[Said]:
    for secret in deployment.every("Secret"):
        name, labels = str(at(secret, "metadata.name", "")), at(secret, "metadata.labels", {})
        if name.endswith(("-jwt-secret", "-api-secret-key")):
            kept = "helm.sh/resource-policy" in at(secret, "metadata.annotations", {})
            made = "chart" in labels or labels.get("app.kubernetes.io/managed-by") == "Helm"
            yield either(kept or not made, f"Secret {name}", "is not the chart's to make", "is made by the chart")


@book.rule(
    "execution-api-at-localhost",
    "Tasks find the execution API through the Service",
    outage="Tasks ask the pod that they run in, where nobody answers; or one server by name, whose death ends "
    "them all.",
    change="config: {core: {execution_api_server_url: 'http://airflow-api-server:8080/execution/'}}",
    experiment="webserver-kill",
)
def _execution(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(SCHEDULER, WORKER):
        said = setting(deployment, one, "core", "execution_api_server_url")
        base = setting(deployment, one, "api", "base_url")
        found = said if said.origin != "default" else base
        if found.origin in ("hidden", "unseen"):
            yield unknown(one.where, f"it is in {found.source}")
        elif not found.value:
            yield broken(one.where, "neither core.execution_api_server_url nor api.base_url is set: localhost")
        else:
            local = any(f"//{name}" in found.value for name in LOCALHOST)
            yield either(not local, one.where, found.value, found.value)


def _number(
    deployment: Deployment, role: str, section: str, option: str, least: float, most: float, unit: str = " s"
) -> Iterator[Said]:
    for one in deployment.of(role):
        found = setting(deployment, one, section, option)
        where = f"{one.where}, {section}.{option}"
        if found.number is None:
            yield unknown(where, f"no number can be read from {found.source}")
            continue
        told = f"{found.number:g}{unit} ({found.source})"
        yield either(least <= found.number <= most, where, told, told)


book.rule(
    "no-retries",
    "Tasks are tried again",
    outage="The death of a worker, or of its node, fails every task that it held, for good.",
    change="config: {core: {default_task_retries: 2}}",
    experiment="worker-kill",
)(partial(_number, role=SCHEDULER, section="core", option="default_task_retries", least=1, most=float("inf"), unit=""))


book.rule(
    "heartbeat-timeout-short",
    "A task is not called dead before its node is",
    outage="While a dead node is not yet missed, half of the heartbeats go to the api-server on it: tasks that "
    "live are called dead and done twice.",
    change="config: {scheduler: {task_instance_heartbeat_timeout: 60}}",
    experiment="worker-node-kill",
)(
    partial(
        _number,
        role=SCHEDULER,
        section="scheduler",
        option="task_instance_heartbeat_timeout",
        least=NODE_S,
        most=float("inf"),
    )
)


book.rule(
    "heartbeat-timeout-long",
    "A dead worker's tasks are found within two minutes",
    outage="Until then nobody knows that they are dead, and nothing is tried again.",
    change="config: {scheduler: {task_instance_heartbeat_timeout: 60}}",
    experiment="worker-kill",
)(partial(_number, role=SCHEDULER, section="scheduler", option="task_instance_heartbeat_timeout", least=0, most=LATE_S))


book.rule(
    "orphan-check-late",
    "A dead scheduler's work is adopted within two minutes",
    outage="What it had queued waits until a peer looks for orphans.",
    change="config: {scheduler: {orphaned_tasks_check_interval: 30}}",
    experiment="scheduler-kill",
)(partial(_number, role=SCHEDULER, section="scheduler", option="orphaned_tasks_check_interval", least=1, most=LATE_S))


@book.rule(
    "threshold-near-heartbeat",
    "A busy scheduler is not called dead",
    outage="One slow loop, and its peers adopt the tasks that it still holds: they run twice.",
    change="config: {scheduler: {scheduler_health_check_threshold: 30}}",
    experiment="scheduler-healthy",
)
def _threshold(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(SCHEDULER):
        beat = setting(deployment, one, "scheduler", "scheduler_heartbeat_sec").number
        limit = setting(deployment, one, "scheduler", "scheduler_health_check_threshold").number
        if beat is None or limit is None:
            yield unknown(one.where, "its heartbeat or its threshold cannot be read")
            continue
        told = f"a heartbeat every {beat:g} s, dead after {limit:g} s"
        yield either(limit >= 3 * beat and limit >= 10, one.where, told, told)


@book.rule(
    "queued-timeout-late",
    "A lost message is sent again within five minutes",
    outage="A task whose message the broker lost stays queued until then, at each of its attempts.",
    change="config: {scheduler: {task_queued_timeout: 120}}",
    experiment="broker-restart",
)
def _queued(deployment: Deployment) -> Iterator[Said]:
    if any(deployment.of(WORKER)):
        yield from _number(deployment, SCHEDULER, "scheduler", "task_queued_timeout", 1, 300)


@book.rule(
    "row-locks-off",
    "Several schedulers lock the rows that they work on",
    outage="Two schedulers take the same run: tasks are queued twice, or never.",
    change="config: {scheduler: {use_row_level_locking: 'True'}}",
    experiment="scheduler-race",
)
def _locks(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(SCHEDULER):
        found = setting(deployment, one, "scheduler", "use_row_level_locking")
        if deployment.replicas(SCHEDULER) < 2:
            continue
        if found.value is None:
            yield unknown(one.where, f"it is in {found.source}")
        else:
            yield either(found.true, one.where, "on", f"off, with {deployment.replicas(SCHEDULER)} schedulers")


@book.rule(
    "acknowledged-early",
    "Messages are acknowledged when the task is done",
    outage="What a worker took and had not begun dies with it: no message is left to be delivered again.",
    change="config: {celery: {task_acks_late: 'True'}}",
    experiment="worker-kill",
)
def _acks(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(WORKER):
        found = setting(deployment, one, "celery", "task_acks_late")
        yield (
            either(found.true, one.where, "late", "early")
            if found.value is not None
            else unknown(one.where, found.source)
        )


@book.rule(
    "visibility-timeout",
    "A message is not delivered again while its task runs",
    outage="The longest task is begun a second time, on another worker, while the first still runs.",
    change="config: {celery_broker_transport_options: {visibility_timeout: 86400}}",
    experiment="worker-kill",
)
def _visibility(deployment: Deployment) -> Iterator[Said]:
    longest = deployment.longest_task_s
    return _number(deployment, WORKER, "celery_broker_transport_options", "visibility_timeout", longest, float("inf"))


book.rule(
    "prefetch",
    "A worker takes no more than it can do",
    outage="Tasks wait in a worker that is busy, or dead, while others are idle.",
    change="config: {celery: {worker_prefetch_multiplier: 1}}",
    experiment="worker-kill",
)(partial(_number, role=WORKER, section="celery", option="worker_prefetch_multiplier", least=0, most=1, unit=""))


@book.rule(
    "version-without-guards",
    "A version whose known HA defects are mended",
    outage="Older ones overwrite RUNNING with SCHEDULED, or fail a running task when its message comes twice "
    "(apache/airflow #60330, #60855, #64052; all three are in 3.3.2).",
    change="airflowVersion: 3.3.2",
    experiment="scheduler-race",
)
def _version(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(SCHEDULER):
        tag = str(at(one.main, "image", "")).split("@")[0].rsplit("/", 1)[-1].partition(":")[2]
        numbers = tag.split("-")[0].split(".")
        if len(numbers) < 3 or not all(n.isdigit() for n in numbers[:3]):
            yield unknown(one.where, f"its image's tag {tag!r} is no version")
            continue
        version = tuple(int(n) for n in numbers[:3])
        yield holds(one.where, tag) if version >= GUARDED else broken(one.where, tag)

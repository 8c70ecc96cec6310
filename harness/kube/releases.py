"""The release of Airflow that runs, by the image of its pods, and another one in its place: what an upgrade with the
official chart changes, in its order. All workloads get the new image at once, and then a Job with it migrates the
database; pods of the new release wait for that in an init container.

That one is due is marked on the api-server's workload first, so whoever comes after a harness that was killed in
between can bring it to its end: nothing here is done twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubernetes import client

from harness.errors import FaultError
from harness.kube.objects import STACK_LABEL, Workload, workload_of
from harness.kube.source import CALL_TIMEOUT_S, KubeError, reaching
from harness.kube.workloads import Workloads

UPGRADE = "airflow-chaos/upgrade"  # the image that all are to have
UPGRADED = ".upgraded"  # behind the name of a stack, which is not that stack any more
API_SERVER, MIGRATION = "api-server", "component=migrate"
TAKEN = 409
_OF_A_JOB = ("controller-uid", "job-name")  # labels that a Job gives its pods itself
_SOON: dict[str, Any] = {"_request_timeout": CALL_TIMEOUT_S}


@dataclass(frozen=True)
class Release:
    """The image with its tag, and what runs it."""

    image: str
    workloads: tuple[Workload, ...]

    def tagged(self, tag: str) -> str:
        """The same image with another tag."""
        return f"{repository(self.image)}:{tag}"


def repository(image: str) -> str:
    """An image's name without its tag; nothing where it has none, or is pinned by digest."""
    name, colon, tag = image.rpartition(":")
    return name if colon and "/" not in tag and "@" not in image else ""


class Releases:
    """That of one cluster; `guard` refuses a namespace that is not ours to touch."""

    def __init__(self, api: client.ApiClient, workloads: Workloads, guard: Callable[[str], None]) -> None:
        self._workloads = workloads
        self._batch = client.BatchV1Api(api)
        self._guard = guard

    def runs(self, namespace: str) -> Release:
        """Raises `FaultError` where no api-server says which it is, or nothing could migrate its database."""
        every = self._workloads.every(namespace)
        image = next((one[0].image for kind, raw in every if (one := _containers(raw)) and _is_server(raw)), "")
        if not repository(image):
            raise FaultError(f"no api-server in {namespace} has an image with a tag ({image!r}); nothing was changed")
        if not self._jobs(namespace):
            raise FaultError(f"no Job in {namespace} is labelled {MIGRATION}; nothing was changed")
        of_it = (workload_of(kind, raw) for kind, raw in every if _those_of(raw, repository(image)))
        return Release(image, tuple(of_it))

    def owe(self, namespace: str, image: str) -> None:
        """Mark that all are to have this image, before anything else is done; and that the stack is none of ours."""
        for kind, raw in self._workloads.every(namespace):
            if _is_server(raw):
                stack = (raw.metadata.labels or {}).get(STACK_LABEL, "")
                labels = {STACK_LABEL: stack.removesuffix(UPGRADED) + UPGRADED} if stack else {}
                marks = {"annotations": {UPGRADE: image}, "labels": labels}
                self._workloads.patch(kind, namespace, raw.metadata.name, {"metadata": marks})
                return

    def bring(self, namespace: str, image: str) -> None:
        """Give this image to all that have another of its name, and have its Job migrate the database."""
        every = self._workloads.every(namespace)
        mark = next((raw.metadata.labels or {} for _, raw in every if _is_server(raw)), {}).get(STACK_LABEL, "")
        labels = {STACK_LABEL: mark} if mark else {}
        for kind, raw in every:
            pod = {
                name: [{"name": one.name, "image": image} for one in some]
                for name, some in _those_of(raw, repository(image), but=image).items()
            }
            if pod:
                body = {"metadata": {"labels": labels}, "spec": {"template": {"spec": pod}}}
                self._workloads.patch(kind, namespace, raw.metadata.name, body)
        self._migrate(namespace, image, labels)

    def migrated(self, namespace: str, image: str) -> bool:
        """Whether the Job with this image is done. Raises `FaultError` where it has given up."""
        done = [raw for raw in self._jobs(namespace) if _image_of(raw) == image]
        if any(raw.status and raw.status.succeeded for raw in done):
            return True
        said = [one for raw in done for one in (raw.status.conditions if raw.status else None) or ()]
        if failed := next((one for one in said if one.type == "Failed" and one.status == "True"), None):
            raise FaultError(f"the database was not migrated: {failed.message or failed.reason}; look at the Job's log")
        return False

    def _migrate(self, namespace: str, image: str, labels: dict[str, str]) -> None:
        jobs = self._jobs(namespace)
        if any(_image_of(raw) == image for raw in jobs):
            return
        if not jobs:
            raise FaultError(f"no Job in {namespace} is labelled {MIGRATION}, so nothing migrates the database")
        old = jobs[0]
        pod = old.spec.template
        pod.metadata.labels = {k: v for k, v in (pod.metadata.labels or {}).items() if not k.endswith(_OF_A_JOB)}
        for some in _those_of(old, repository(image)).values():
            for one in some:
                one.image = image
        meta = client.V1ObjectMeta(
            name=f"{old.metadata.name}-upgrade", namespace=namespace, labels={**(old.metadata.labels or {}), **labels}
        )
        spec = client.V1JobSpec(backoff_limit=old.spec.backoff_limit, template=pod)
        try:
            with reaching():
                self._batch.create_namespaced_job(namespace, client.V1Job(metadata=meta, spec=spec), **_SOON)
        except KubeError as refused:
            if refused.status != TAKEN:
                raise

    def _jobs(self, namespace: str) -> list[Any]:
        self._guard(namespace)
        with reaching():
            return list(self._batch.list_namespaced_job(namespace, label_selector=MIGRATION, **_SOON).items)


def due(raw: Any) -> str:
    """The image that this workload was marked with, or nothing."""
    return (raw.metadata.annotations or {}).get(UPGRADE, "") if raw.metadata else ""


def _containers(raw: Any) -> list[Any]:
    return list(raw.spec.template.spec.containers or ())


def _is_server(raw: Any) -> bool:
    return (raw.spec.template.metadata.labels or {}).get("component") == API_SERVER


def _image_of(raw: Any) -> str:
    return next((one.image or "" for one in _containers(raw)), "")


def _those_of(raw: Any, name: str, but: str = "") -> dict[str, list[Any]]:
    """The containers whose image has this name, and is not that one; as the spec of a pod names their kinds."""
    pod = raw.spec.template.spec
    kinds = {"containers": pod.containers or (), "initContainers": pod.init_containers or ()}
    found = {
        kind: [one for one in some if repository(one.image or "") == name and one.image != but]
        for kind, some in kinds.items()
    }
    return {kind: some for kind, some in found.items() if some}

"""What a cluster answers where it is asked for rights, and for its Lease."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.unit.kube.cluster import Json
from tests.unit.loopback import Reply, Request

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/airflow/leases"


def failure(code: int) -> Reply:
    return Reply(code, {"kind": "Status", "status": "Failure", "code": code, "reason": "R", "message": "why"})


def reviewed(request: Request, allows: Callable[[Json], bool]) -> Reply:
    """The answer to a review of one right."""
    asked = request.body["spec"]["resourceAttributes"]
    return Reply(201, {"kind": "SelfSubjectAccessReview", "spec": {}, "status": {"allowed": allows(asked)}})


class Leases:
    """Keeps one Lease as a cluster does: whoever changes it must know its version. `broken` answers nothing, and
    `deaf` does what it is asked, but its answer is lost."""

    def __init__(self) -> None:
        self.lease: Json | None = None
        self.version = 0
        self.broken = self.deaf = False
        self._lock = threading.Lock()

    def put(self, holder: str, renewed: str, lasts_s: int = 30) -> None:
        """As somebody else made it."""
        spec = {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": lasts_s}
        with self._lock:
            self._keep({"metadata": {"name": "airflow-chaos"}, "spec": spec})

    @property
    def holder(self) -> str | None:
        return str(self.lease["spec"]["holderIdentity"]) if self.lease else None

    def __call__(self, request: Request) -> Reply:
        with self._lock:
            reply = Reply(drop=True) if self.broken else self._answer(request)
        return Reply(drop=True) if self.deaf else reply

    def _answer(self, request: Request) -> Reply:
        if request.method == "POST":
            return failure(409) if self.lease else self._keep(request.body)
        if self.lease is None:
            return failure(404)
        if request.method == "GET":
            return Reply(200, self.lease)
        now = {name: self.lease["metadata"][name] for name in ("uid", "resourceVersion")}
        about = request.body["metadata"] if request.method == "PUT" else request.body["preconditions"]
        if any(about.get(name) != value for name, value in now.items()):
            return failure(409)
        if request.method == "PUT":
            return self._keep(request.body)
        self.lease = None
        return Reply(200, {"kind": "Status", "status": "Success"})

    def _keep(self, body: Json) -> Reply:
        self.version += 1
        uid = self.lease["metadata"]["uid"] if self.lease else f"uid-{self.version}"
        meta = {**body["metadata"], "uid": uid, "resourceVersion": str(self.version)}
        self.lease = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", **body, "metadata": meta}
        return Reply(200, self.lease)

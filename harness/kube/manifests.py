"""Objects of our own in a cluster, written, read and removed as the documents that they are.

For what the suite lays down beside that which it breaks: no guard is asked, but a place that looks like production is
refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from kubernetes import client
from kubernetes.client import ApiException

from harness.kube.source import CALL_TIMEOUT_S, KubeError, reaching

MANAGER = "airflow-chaos"
Json = dict[str, Any]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
# Where the objects of each kind are; {0} is their namespace.
PLACES = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{0}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{0}/configmaps",
    "Secret": "/api/v1/namespaces/{0}/secrets",
    "PersistentVolumeClaim": "/api/v1/namespaces/{0}/persistentvolumeclaims",
    "Pod": "/api/v1/namespaces/{0}/pods",
    "Service": "/api/v1/namespaces/{0}/services",
    "Deployment": "/apis/apps/v1/namespaces/{0}/deployments",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{0}/networkpolicies",
    "Job": "/apis/batch/v1/namespaces/{0}/jobs",
    "CronJob": "/apis/batch/v1/namespaces/{0}/cronjobs",
    "Role": RBAC + "/namespaces/{0}/roles",
    "RoleBinding": RBAC + "/namespaces/{0}/rolebindings",
    "ClusterRole": RBAC + "/clusterroles",
    "ClusterRoleBinding": RBAC + "/clusterrolebindings",
    "NetworkChaos": "/apis/chaos-mesh.org/v1alpha1/namespaces/{0}/networkchaos",
    "StressChaos": "/apis/chaos-mesh.org/v1alpha1/namespaces/{0}/stresschaos",
}
GONE = 404


class Manifests:
    """The objects of one cluster; `refuse` raises where a namespace looks like production."""

    def __init__(self, api: client.ApiClient, refuse: Callable[[str], None]) -> None:
        self._api = api
        self._refuse = refuse

    def apply(self, document: Mapping[str, Any]) -> None:
        """Make it as the document says, whatever said otherwise before. Raises `KubeError` where it is refused."""
        about = document["metadata"]
        path = f"{self._place(document['kind'], about.get('namespace', ''))}/{about['name']}"
        as_it_is = {"Content-Type": "application/apply-patch+yaml"}
        query = (("fieldManager", MANAGER), ("force", "true"))
        try:
            self._call("PATCH", path, query, as_it_is, body=json.dumps(document))
        except KubeError as refused:
            if document["kind"] != "Secret":
                raise
            # whoever answers may quote what was sent
            raise KubeError(f"the Secret {about['name']} was not taken ({refused.status})", refused.status) from None

    def read(self, kind: str, namespace: str, name: str) -> Json | None:
        """As the cluster has it, or None where there is none."""
        return self._unless_gone("GET", f"{self._place(kind, namespace)}/{name}")

    def listed(self, kind: str, namespace: str, selector: str = "") -> list[Json]:
        """All of a kind, oldest first."""
        query = (("labelSelector", selector),) if selector else ()
        found = self._call("GET", self._place(kind, namespace), query)
        return sorted(found.get("items") or [], key=lambda one: str(one["metadata"].get("creationTimestamp")))

    def everywhere(self, kind: str, selector: str) -> list[Json]:
        """All of a kind that bear these labels, in whichever namespace."""
        path = PLACES[kind].replace("/namespaces/{0}", "")
        return list(self._call("GET", path, (("labelSelector", selector),)).get("items") or [])

    def delete(self, kind: str, namespace: str, name: str) -> bool:
        """Remove it, and what depends on it; False where there was none. It may be on its way for a while."""
        query = (("propagationPolicy", "Background"),)
        return self._unless_gone("DELETE", f"{self._place(kind, namespace)}/{name}", query) is not None

    def offered(self, version: str) -> frozenset[str]:
        """The kinds of a version of an API group, such as `batch/v1`; none where the cluster does not know that."""
        found = self._unless_gone("GET", f"/apis/{version}") or {}
        return frozenset(str(one["kind"]) for one in found.get("resources") or ())

    def log(self, namespace: str, pod: str, lines: int) -> list[str]:
        """The last lines that a pod wrote; none where it is gone, or has not begun."""
        try:
            text = self._send("GET", f"{self._place('Pod', namespace)}/{pod}/log", (("tailLines", str(lines)),))
        except KubeError as refused:
            if refused.status in (400, GONE):
                return []
            raise
        return text.decode("utf-8", errors="replace").splitlines()

    def _place(self, kind: str, namespace: str) -> str:
        if namespace:
            self._refuse(namespace)
        return PLACES[kind].format(namespace)

    def _unless_gone(self, method: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> Json | None:
        try:
            return self._call(method, path, query)
        except KubeError as refused:
            if refused.status == GONE:
                return None
            raise

    def _call(self, method: str, path: str, query: tuple[tuple[str, str], ...] = (), *head: Any, **body: Any) -> Json:
        answer = self._send(method, path, query, *head, **body)
        with reaching():
            found = json.loads(answer)
            return found if isinstance(found, dict) else {}

    def _send(
        self,
        method: str,
        path: str,
        query: tuple[tuple[str, str], ...] = (),
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> bytes:
        with reaching():
            asked = self._api.param_serialize(
                method,
                path,
                query_params=list(query),
                header_params={"Accept": "application/json", **(headers or {})},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer: Any = self._api.call_api(*asked, _request_timeout=CALL_TIMEOUT_S)
            content = bytes(answer.read())
        if not 200 <= answer.status < 300:
            _refused(answer.status, str(answer.reason), content.decode("utf-8", errors="replace"))
        return content


def _refused(status: int, reason: str, content: str) -> None:
    """Raises what any call raises that is answered so, with the server's own words."""
    if status in (401, 403):
        with reaching():
            raise _exception(status, reason, content)
    try:
        said = str(json.loads(content)["message"])
    except (ValueError, LookupError, TypeError):
        said = content[:200]
    raise KubeError(f"the cluster answered {status} {reason}: {said}", status)


def _exception(status: int, reason: str, content: str) -> ApiException:
    cause = ApiException(status=status, reason=reason)
    cause.body = content
    return cause

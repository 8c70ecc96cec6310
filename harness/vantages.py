"""Vantage points before they are made: their image, their namespace, and their requests."""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import UsageError
from harness.experiment import Plan
from harness.kube import Kube
from harness.observe.point import PART
from harness.observe.points import OUT
from harness.observe.prober import MOST_SECONDS, Config, Target
from harness.settings import Settings
from harness.stack import cluster, images, recipes
from harness.stack.access import INGRESS_NAMESPACE, INGRESS_SERVICE, Access

IMAGE = "harness"
LOOPBACK = "http://127.0.0.1"


def prepared(plan: Plan, settings: Settings, kube: Kube, say: Callable[[str], None]) -> Settings:
    """The settings with an image for the vantage points, if there are any. Raises `UsageError` if none is known.

    In a cluster of ours it is built and loaded into the nodes. Their namespace is made. A harness in a pod has both.
    """
    if plan.probe.vantage is None or settings.own_namespace:
        return settings
    if settings.target and not settings.image:
        raise UsageError(
            "vantage points need the suite's image where the target's nodes pull from: build it with `harness job "
            "image`, push it there, and name it by AIRFLOW_CHAOS_IMAGE"
        )
    labels = {"app.kubernetes.io/managed-by": "airflow-chaos", "pod-security.kubernetes.io/enforce": "restricted"}
    about = {"name": settings.job_namespace, "labels": labels}
    if kube.manifests.read("Namespace", "", settings.job_namespace) is None:
        kube.manifests.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": about})
    if settings.image:
        return settings
    nodes = [name for name, _, _ in cluster.containers(settings)]
    return settings.model_copy(update={"image": images.ensure_own(settings, recipes.load(), IMAGE, nodes, say)})


def config(plan: Plan, kube: Kube, access: Access, targets: tuple[Target, ...]) -> Config:
    """What each is told. Even if this machine goes in by a port of its own, they go through the load balancer."""
    url = access.base_url
    if url.startswith(LOOPBACK):
        url = f"http://{kube.load_balancer(INGRESS_NAMESPACE, INGRESS_SERVICE)}"
    return Config(f"{OUT}/{PART}", 0, url, targets, plan.probe.timeout_s, MOST_SECONDS)

"""A target from what runs in a namespace, read as the audit reads it, so that both find the same parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.audit.deployment import AIRFLOW, API_SERVER, SCHEDULER, Deployment, Json, Workload, at, matches
from harness.audit.settings import setting
from harness.target import Part, Target

CHART_LABELS = ("chart", "helm.sh/chart")
RELEASE_LABELS = ("release", "app.kubernetes.io/instance")
RELEASED = re.compile(r"\d+\.\d+\.\d+(?:rc\d+)?")
# In addition to what the audit looks at: how users get in.
DOORS = {
    "Service": "/api/v1/namespaces/{0}/services",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{0}/ingresses",
}
LOGIN = "login: name the Secret and key, or the environment variable, that holds the password of a user of Airflow"


@dataclass(frozen=True)
class Found:
    """What is there, and what could not be found, in words."""

    target: Target
    missing: tuple[str, ...]


def discover(deployment: Deployment, context: str, namespace: str, kubeconfig: str = "") -> Found:
    """What the objects of a namespace say about the Airflow in it; nothing else is asked."""
    schedulers = list(deployment.of(SCHEDULER))
    first = schedulers[0] if schedulers else next(iter(deployment.workloads), None)
    release = _label(first, RELEASE_LABELS)
    urls = list(_urls(deployment))
    executor = setting(deployment, first, "core", "executor").value if first else None
    target = Target(
        name=f"{context}/{namespace}",
        context=context,
        kubeconfig=kubeconfig,
        namespace=namespace,
        release=release,
        chart=_label(first, CHART_LABELS),
        airflow=_tag(first),
        executor=executor or "",
        url=urls[0] if urls else "",
        components={role: _parts(deployment, role) for role in _roles(deployment)},
        secrets=dict(_secrets(deployment)),
    )
    return Found(target, (*_missing(deployment, target, urls), *_hidden(deployment)))


def _missing(deployment: Deployment, target: Target, urls: list[str]) -> Iterator[str]:
    for role in AIRFLOW:
        if role not in target.components:
            yield f"components.{role}: nothing here runs one"
    yield from (f"components: {what}" for what in _unlabelled(deployment))
    if not urls:
        services = ", ".join(_names(_services(deployment))) or "none"
        yield f"url: no address leads to the api-server from outside (its Services: {services}); say what users ask"
    elif len(urls) > 1:
        yield f"url: there are several ways in, and the first was taken: {', '.join(urls)}"
    for name in ("release", "chart", "airflow", "executor"):
        if not getattr(target, name):
            yield f"{name}: no label, image or setting says it"
    yield LOGIN


def _hidden(deployment: Deployment) -> Iterator[str]:
    return (f"{kind}s may not be listed: {why}" for kind, why in sorted(deployment.unseen.items()))


def _unlabelled(deployment: Deployment) -> Iterator[str]:
    """Pods are told apart by this label, as the official chart sets it."""
    for workload in deployment.of(*AIRFLOW):
        if workload.labels.get("component") != workload.role and not _old_name(workload):
            yield f"{workload.where} runs a {workload.role}, and its pods are not labelled component={workload.role}"


def _old_name(workload: Workload) -> bool:
    return workload.role == API_SERVER and workload.labels.get("component") == "webserver"


def _roles(deployment: Deployment) -> list[str]:
    return list(dict.fromkeys(workload.role for workload in deployment.workloads))


def _parts(deployment: Deployment, role: str) -> tuple[Part, ...]:
    return tuple(
        Part(kind=one.kind, name=one.name, selector=_selector(one), replicas=one.replicas)
        for one in deployment.of(role)
    )


def _selector(workload: Workload) -> str:
    labels = at(workload.raw, "spec.selector.matchLabels", {})
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _label(workload: Workload | None, names: tuple[str, ...]) -> str:
    labels = {**at(workload.raw, "metadata.labels", {}), **workload.labels} if workload else {}
    return next((str(labels[name]) for name in names if labels.get(name)), "")


def _tag(workload: Workload | None) -> str:
    """Airflow's version, if the image's tag is one."""
    image = str(at(workload.main, "image", "")) if workload else ""
    tag = image.partition("@")[0].rsplit("/", 1)[-1].partition(":")[2]
    found = RELEASED.match(tag)
    return found.group() if found else ""


def _services(deployment: Deployment) -> list[Json]:
    labels = [workload.labels for workload in deployment.of(API_SERVER)]
    return [
        service
        for service in deployment.every("Service")
        if (chosen := at(service, "spec.selector", {})) and any(matches({"matchLabels": chosen}, one) for one in labels)
    ]


def _urls(deployment: Deployment) -> Iterator[str]:
    """Ways in without TLS: through an Ingress to a Service of the api-server, and by such a Service's own address."""
    services = _services(deployment)
    names = set(_names(services))
    for ingress in deployment.every("Ingress"):
        yield from _through(ingress, names)
    for service in services:
        ports = [port.get("port") for port in at(service, "spec.ports", [])]
        for address in _addresses(service):
            yield f"http://{address}" if 80 in ports or not ports else f"http://{address}:{ports[0]}"


def _through(ingress: Json, names: set[str]) -> Iterator[str]:
    secured = {host for entry in at(ingress, "spec.tls", []) for host in at(entry, "hosts", [])}
    for rule in at(ingress, "spec.rules", []):
        backends = {at(path, "backend.service.name") for path in at(rule, "http.paths", [])}
        host = rule.get("host")
        if not backends & names or host in secured or "*" in str(host or ""):
            continue
        yield from (f"http://{one}" for one in ([host] if host else _addresses(ingress)))


def _addresses(one: Json) -> list[str]:
    given: list[Any] = at(one, "status.loadBalancer.ingress", [])
    return [str(address) for entry in given if (address := entry.get("ip") or entry.get("hostname"))]


def _names(some: list[Json]) -> list[str]:
    return [str(at(one, "metadata.name")) for one in some]


def _secrets(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Which Secret and key each environment variable of Airflow's parts comes from; never what is in it."""
    for workload in deployment.of(*AIRFLOW):
        for variable in at(workload.main, "env", []):
            if ref := at(variable, "valueFrom.secretKeyRef"):
                yield str(variable.get("name")), f"{ref.get('name')}/{ref.get('key')}"

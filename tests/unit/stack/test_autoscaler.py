"""KEDA's own manifests, fitted to the cluster: our images, on the node that is never broken."""

from __future__ import annotations

from typing import Any

import pytest

from harness.kube import DATA_LABEL
from harness.settings import ROOT
from harness.stack import autoscaler, recipes


def deployment(name: str) -> dict[str, Any]:
    container = {"name": name, "image": "published:latest", "imagePullPolicy": "Always", "args": ["--first"]}
    pod = {"containers": [container], "nodeSelector": {"kubernetes.io/os": "linux"}}
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": {"spec": pod}}}


@pytest.mark.parametrize("name", autoscaler.IMAGES)
def test_its_pods_are_of_images_that_the_node_has(name: str) -> None:
    table = recipes.load()
    pod = autoscaler.fitted(deployment(name), table)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    image = table.images[autoscaler.IMAGES[name]]
    assert (container["image"], container["imagePullPolicy"]) == (image.published, "IfNotPresent")
    assert image.addon
    assert autoscaler.ROW in image.programs
    assert pod["nodeSelector"] == {DATA_LABEL: "true"}
    assert ("--enable-webhook-patching=false" in container["args"]) is (name == "keda-operator")


def test_everything_else_is_as_it_was_published() -> None:
    other = {"kind": "Service", "metadata": {"name": "keda-operator"}, "spec": {"ports": []}}
    assert autoscaler.fitted(dict(other), recipes.load()) == other


@pytest.mark.parametrize(("path", "wanted"), [("keda/worker.yaml", True), ("celery/worker.yaml", False)])
def test_it_is_wanted_where_something_is_to_be_scaled(path: str, wanted: bool) -> None:
    text = (ROOT / "deploy" / "components" / path).read_text(encoding="utf-8")
    assert autoscaler.wanted(text) is wanted

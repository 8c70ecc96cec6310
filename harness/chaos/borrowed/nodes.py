"""Nodes that `chaosk8s` drains, closes and opens. A node belongs to everybody in its cluster, so it must be ours."""

from __future__ import annotations

import random
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from harness.chaos.arguments import Name, Selector
from harness.chaos.blast import Blow
from harness.chaos.borrowed.base import Borrowed, Hits, Least, Scene
from harness.chaos.borrowed.following import followed
from harness.chaos.context import Context
from harness.chaos.pods import LEFT_WITHIN_S
from harness.chaos.strike import Strike
from harness.errors import FaultError
from harness.kube import Pod

ENDED = frozenset({"Succeeded", "Failed"})


class _OnNodes(Borrowed):
    name: Name | None = None
    label_selector: Selector | None = None

    def _chooses(self) -> bool:
        return self.name is not None or self.label_selector is not None

    @model_validator(mode="after")
    def _aims_at_some(self) -> _OnNodes:
        if not self._chooses():
            raise ValueError("it aims at every node; say name, or label_selector")
        return self

    def least(self) -> Least:
        return Least(nodes=1, seconds=1)

    def _nodes(self, scene: Scene) -> list[str]:
        scene.kube.require_ours()
        found = [node.name for node in scene.kube.nodes(self.label_selector or "")]
        return [name for name in found if self.name in (None, name)]

    def aim(self, scene: Scene) -> Blow:
        if not (names := self._nodes(scene)):
            raise FaultError(f"{self.home} with {self.words} matches no node")
        return Blow(nodes=names)


class CordonNode(_OnNodes):
    """It hits no pod, so it is no fault by itself: others may have nowhere to go after it."""

    home: ClassVar[str] = "chaosk8s.node.actions.cordon_node"
    kind: ClassVar[str] = "cordon_node"

    def act(self, context: Context) -> list[str]:
        names = list(self.aimed(context).nodes)
        context.permit(context.settings.namespace, Blow(nodes=names))
        fault = context.begin(self.kind, {"kind": "Node", "name": ", ".join(names)}, {"by": self.home})
        for name in names:
            context.kube.change.close(name)  # so that the undo finds it
            self.call(context.kube, name=name)
        context.record(fault, self.kind, "ended", evidence={"closed": names})
        return names


class UncordonNode(_OnNodes):
    """What the undo does as well, and what rollbacks of others ask for."""

    home: ClassVar[str] = "chaosk8s.node.actions.uncordon_node"
    kind: ClassVar[str] = "undo"

    def least(self) -> Least:
        return Least()

    def act(self, context: Context) -> list[str]:
        names = self._nodes(Scene.of(context))
        context.kube.confirm(context.settings.namespace)
        for name in names:
            self.call(context.kube, name=name)
            context.kube.change.reopen(name)
        return names


class DrainNodes(_OnNodes):
    """Evicts what has no volume that would be lost, each asked once. Of several nodes one is drained after the other,
    and the `timeout` holds for each."""

    home: ClassVar[str] = "chaosk8s.node.actions.drain_nodes"
    kind: ClassVar[str] = "drain_node"

    delete_pods_with_local_storage: bool = False
    timeout: Annotated[int, Field(ge=1, le=3600)] = 120
    count: Annotated[int, Field(ge=1, le=100)] | None = None
    pod_label_selector: Selector | None = None
    pod_namespace: Name | None = None

    def _chooses(self) -> bool:
        return super()._chooses() or (self.pod_label_selector is not None and self.pod_namespace is not None)

    def least(self) -> Least:
        return Least(pods=1, nodes=self.count or 1, seconds=self.timeout * (self.count or 1))

    def _nodes(self, scene: Scene) -> list[str]:
        found = super()._nodes(scene)
        if self.pod_label_selector and self.pod_namespace:
            with_pods = {pod.node for pod in scene.kube.pods(self.pod_namespace, self.pod_label_selector)}
            found = [name for name in found if name in with_pods]
        if self.count is None or self.count >= len(found):
            return found
        return sorted(random.Random(scene.seed).sample(found, self.count))  # noqa: S311

    def aim(self, scene: Scene) -> Blow:
        names = super().aim(scene).nodes
        there = [pod for name in names for pod in scene.kube.pods_on(name)]
        return Blow([pod for pod in there if self._evicts(pod)], names, float(self.timeout * len(names)))

    def _evicts(self, pod: Pod) -> bool:
        kept = pod.static or pod.daemon or (pod.scratch and not self.delete_pods_with_local_storage)
        return not kept and pod.phase not in ENDED

    def act(self, context: Context) -> Hits:
        blow = self.aimed(context)
        strike = Strike.begin(context, self.kind, context.settings.namespace, self.words, blow)
        for name in blow.nodes:
            context.kube.change.close(name)
        there = [pod for name in blow.nodes for pod in context.kube.pods_on(name) if self._evicts(pod)]
        context.permit(context.settings.namespace, Blow(there, blow.nodes))
        # What else runs on a node is moved as well, and counted; the stack is judged by its own pods.
        own = [pod for pod in there if pod.namespace in context.namespaces and pod.component]
        said: dict[str, Any] = {"node": ", ".join(blow.nodes), "aimed": [pod.key for pod in own], "by": self.home}
        context.record(strike.fault, self.kind, "begin", evidence=said)  # only now can no other pod come
        return followed(strike, own, lambda: self._drain(context, blow), LEFT_WITHIN_S, by=self.home)

    def _drain(self, context: Context, blow: Blow) -> None:
        for name in blow.nodes:
            self.call(
                context.kube,
                name=name,
                timeout=self.timeout,
                delete_pods_with_local_storage=self.delete_pods_with_local_storage,
            )

"""Deployments and StatefulSets that `chaosk8s` scales and rolls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from harness.chaos import scale
from harness.chaos.arguments import Name
from harness.chaos.blast import Blow
from harness.chaos.borrowed.base import Borrowed, Hits, Least, Scene
from harness.chaos.context import Context
from harness.errors import FaultError
from harness.kube import Pod, Workload


class _OnWorkload(Borrowed):
    controller: ClassVar[str] = "Deployment"

    name: Name
    ns: Name = "default"

    def _workload(self, scene: Scene) -> Workload:
        found = scene.kube.workload(self.controller, self.ns, self.name)
        if found is None or not found.selector:
            raise FaultError(f"{self.home} aims at {self.ns}/{self.name}, and there is no such {self.controller}")
        return found

    def _pods(self, scene: Scene) -> list[Pod]:
        there = scene.kube.pods(self.ns, self._workload(scene).selector)
        return [pod for pod in there if pod.phase == "Running" and not pod.deleting]


class RolloutDeployment(_OnWorkload):
    home: ClassVar[str] = "chaosk8s.deployment.actions.rollout_deployment"
    kind: ClassVar[str] = "renew_pods"

    def least(self) -> Least:
        return Least(pods=1, seconds=1)

    def aim(self, scene: Scene) -> Blow:
        if not (pods := self._pods(scene)):
            raise FaultError(f"{self.home} aims at {self.ns}/{self.name}, which has no running pod")
        return Blow(pods)

    def act(self, context: Context) -> Hits:
        pods = list(self.aimed(context).pods)
        selector = self._workload(Scene.of(context)).selector
        begin = lambda: self.call(context.kube, name=self.name, ns=self.ns)  # noqa: E731
        return scale.roll(context, self.ns, selector, pods, begin, by=self.home)


class ScaleDeployment(_OnWorkload):
    home: ClassVar[str] = "chaosk8s.deployment.actions.scale_deployment"
    kind: ClassVar[str] = "scale_pods"
    when: ClassVar[str] = "as the cluster chooses"

    replicas: Annotated[int, Field(ge=0, le=1000)]

    def least(self) -> Least:
        return Least(seconds=1)

    def _by(self, scene: Scene) -> int:
        return self.replicas - self._workload(scene).replicas

    def aim(self, scene: Scene) -> Blow:
        if (by := self._by(scene)) == 0:
            raise FaultError(f"{self.home}: {self.ns}/{self.name} has {self.replicas} replicas already")
        return Blow(self._pods(scene)[: max(0, -by)])

    def of(self, scene: Scene) -> Sequence[Pod]:
        return self._pods(scene) if self._by(scene) < 0 else ()

    def grows(self, scene: Scene) -> bool:
        return self._by(scene) > 0

    def act(self, context: Context) -> Hits:
        self.aimed(context)
        scene = Scene.of(context)
        workload, pods = self._workload(scene), self._pods(scene)

        def begin() -> int:
            context.kube.change.keep(workload)
            self.call(context.kube, name=self.name, replicas=self.replicas, ns=self.ns)
            return self.replicas

        more = self.replicas - workload.replicas
        return scale.resize(context, self.ns, workload.selector, pods, more, begin, by=self.home)


class ScaleStatefulSet(ScaleDeployment):
    home: ClassVar[str] = "chaosk8s.statefulset.actions.scale_statefulset"
    controller: ClassVar[str] = "StatefulSet"

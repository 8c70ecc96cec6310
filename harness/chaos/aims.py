"""What the actions of an experiment would hit now, by name: chosen in the same way, and from the same seed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.chaos import actions, borrowed, machines, network, pods, release, room, rotation
from harness.chaos.blast import Blow, Reach, beyond
from harness.chaos.borrowed.base import Scene
from harness.chaos.strike import ANY, AT_WORK, MOMENT, Only, choose, on_node
from harness.errors import FaultError, UsageError
from harness.experiment import Experiment
from harness.kube import TASK_PODS, Kube, Pod
from harness.settings import Settings

HARMLESS = borrowed.UNDOING | {actions.undo.__name__, actions.pile_up.__name__, actions.back_up.__name__}
NODE_OFF, DRAIN = actions.stop_node.__name__, actions.drain_node.__name__
ANNOUNCER, CLOSED = actions.stop_announcing_node.__name__, actions.close_nodes.__name__
ROTATION, UPGRADE = actions.rotate_secret.__name__, actions.upgrade.__name__
BY_NAME = frozenset({ANNOUNCER, CLOSED, ROTATION, UPGRADE})
ON_NODES = frozenset({NODE_OFF, DRAIN, ANNOUNCER, CLOSED})
# What those pick that let nobody choose.
ALONE = {DRAIN: "one", actions.kill_child.__name__: AT_WORK, actions.switch_over.__name__: "primary"}
DECIDES = {AT_WORK: "holds a task", "primary": "is the primary", "standby": "is a standby"}
TASK = "the pod of a task, once there is one"


@dataclass(frozen=True)
class Aim:
    """One action and what it would hit now. Where only the moment decides which pods, the blow has as many as it will
    be, `of` has all that it may be, and `when` says what decides. `grows`: it makes pods more."""

    action: str
    blow: Blow
    of: Sequence[Pod] = ()
    when: str = ""
    grows: bool = False

    def __str__(self) -> str:
        count, some = len(self.blow.pods), self.of or self.blow.pods
        names = ", ".join(pod.key for pod in some)
        pods = f"{count} of {names}" if self.of else names
        nodes = "".join(f"; node {name}" for name in self.blow.nodes)
        hits = f"{pods}{nodes}".removeprefix("; ") or ("" if self.when else "nothing")
        return f"{self.action}: {', '.join(part for part in (hits, self.when) if part)}"


class Aims:
    """Where the actions of one experiment would land in a cluster."""

    def __init__(self, experiment: Experiment, kube: Kube, settings: Settings, namespaces: Sequence[str]) -> None:
        self._experiment = experiment
        self._kube = kube
        self._settings = settings
        self._namespaces = namespaces

    def now(self) -> list[Aim]:
        """One for each action that breaks something. Raises `UsageError` where one would find nothing, or hit more than
        is declared; what follows upon more pods is compared only when they are there."""
        reach, grown, found = Reach(), False, []
        for func, arguments in faults(self._experiment.method()):
            aim = self._aim(func, arguments)
            grown |= arguments.get("by", 0) > 0 or aim.grows
            if not grown:
                self._refuse_beyond(reach, aim)
            found.append(aim)
        return found

    def _refuse_beyond(self, reach: Reach, aim: Aim) -> None:
        there = [pod for name in {p.namespace for p in aim.blow.pods} for pod in self._kube.pods(name)]
        if more := beyond(self._experiment.plan.blast, reach, aim.blow, there):
            raise UsageError(f"{self._experiment.name}: {aim.action} would hit {more} (`blast`); nothing was done")
        reach.pods |= {pod.uid for pod in aim.blow.pods}
        reach.nodes |= set(aim.blow.nodes)

    def _aim(self, func: str, arguments: dict[str, Any]) -> Aim:
        if func in borrowed.KNOWN:
            return self._borrowed(func, borrowed.KNOWN[func].model_validate(arguments))
        namespace = arguments.get("namespace") or self._settings.namespace
        self._kube.confirm(namespace)
        if func in BY_NAME:
            return self._by_name(func, namespace, arguments)
        selector, pick = arguments["selector"], arguments.get("pick", _usual(func))
        if selector == TASK_PODS:
            return Aim(func, Blow(), when=f"the node of {TASK}" if func in ON_NODES else TASK)
        only = Only(arguments.get("name", ""), arguments.get("node", ""))
        running = self._running(namespace, selector, func, only)
        if func in ON_NODES:
            return self._on_node(func, running, pick)
        aim = self._on_pods(func, running, pick, arguments.get("by"), self._peers(func, namespace, arguments))
        return _away(aim) if arguments.get("away_s") else aim

    def _borrowed(self, func: str, one: borrowed.Borrowed) -> Aim:
        self._kube.confirm(one.namespace or self._settings.namespace)
        scene = Scene(self._kube, self._namespaces, self._experiment.plan.seed)
        try:
            blow, of, grows = one.aim(scene), one.of(scene), one.grows(scene)
        except FaultError as cause:
            raise UsageError(f"{self._experiment.name}: {cause}; nothing was done") from cause
        return Aim(func, blow, of, one.when if of else "", grows)

    def _by_name(self, func: str, namespace: str, arguments: dict[str, Any]) -> Aim:
        """Of what no selector finds."""
        if func == ANNOUNCER:
            return self._announcer(namespace, arguments["service"])
        if func == ROTATION:
            secret, key = arguments["secret"], arguments["key"]
            return self._rolled(func, lambda: rotation.aimed(self._kube, namespace, secret, key))
        if func == UPGRADE:
            return self._rolled(func, lambda: release.aimed(self._kube, namespace, arguments["tag"]))
        return Aim(func, Blow(nodes=room.open_nodes(self._kube)), when="and each new pod that finds no node")

    def _announcer(self, namespace: str, service: str) -> Aim:
        when = f"whichever node announces {service} then"
        try:
            node = machines.announcer(self._kube, self._settings, namespace, service)
        except FaultError:  # while nobody asks for the address, it may not be known
            return Aim(ANNOUNCER, Blow(), when=when)
        return Aim(ANNOUNCER, Blow(on_node(self._kube, self._namespaces, node), [node]), when=when)

    def _peers(self, func: str, namespace: str, said: dict[str, Any]) -> list[Pod]:
        """Whom pods are cut off from."""
        found = self._running(namespace, said["peers"], func) if "peers" in said else []
        if not said.get("also"):
            if said.get("also_in"):
                raise UsageError(f"{self._experiment.name}: `also_in` says where, and no `also` whom; nothing was done")
            return found
        where = said.get("also_in") or namespace
        self._kube.confirm(where)
        return [*found, *self._running(where, said["also"], func)]

    def _rolled(self, func: str, aimed: Callable[[], list[Pod]]) -> Aim:
        try:
            return Aim(func, Blow(aimed()))
        except FaultError as cause:
            raise UsageError(f"{self._experiment.name}: {cause}") from cause

    def _running(self, namespace: str, selector: str, func: str, only: Only = ANY) -> list[Pod]:
        spared = machines.with_data(self._kube) if func == NODE_OFF else set()
        there = only.of(self._kube.pods(namespace, selector))
        found = [p for p in choose(there, "all", 0) if p.node not in spared]
        if not found:
            where = f"{self._experiment.name}: the selector {selector!r}{only}"
            raise UsageError(f"{where} matches no running pod in {namespace} that may be hit; nothing was done")
        return found

    def _on_node(self, func: str, running: list[Pod], pick: str) -> Aim:
        node = choose(running, pick, self._experiment.plan.seed)[0].node
        there = pods.movable if func == DRAIN else on_node
        blow = Blow(there(self._kube, self._namespaces, node), [node])
        when = f"or the node of whichever of {_names(running)} {DECIDES[pick]} then" if pick in MOMENT else ""
        return Aim(func, blow, when=when)

    def _on_pods(self, func: str, running: list[Pod], pick: str, by: int | None, peers: list[Pod]) -> Aim:
        if by is not None:
            going = running[: max(0, -by)]
            return Aim(func, Blow(going), running if going else (), "as the cluster chooses" if going else "")
        open_yet = pick in MOMENT
        when = [f"whichever {DECIDES[pick]} then"] if open_yet else []
        blow = Blow(choose(running, pick, self._experiment.plan.seed))
        others = network.beside([] if open_yet else blow.pods, peers)
        when += [f"cut off from {_names(others)}"] if others else []
        return Aim(func, blow, running if open_yet else (), ", ".join(when))


def faults(method: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The actions that break something, with their arguments, in their order: ours by their names, and by their full
    names those of others that we know."""
    found = [(_known(activity["provider"]), activity["provider"].get("arguments", {})) for activity in method]
    return [(func, arguments) for func, arguments in found if func and func not in HARMLESS]


def _known(provider: dict[str, Any]) -> str:
    if provider.get("module") == actions.__name__:
        return str(provider["func"])
    full = borrowed.named(provider)
    return full if full in borrowed.KNOWN else ""


def least(method: Sequence[dict[str, Any]]) -> dict[str, float]:
    """What `Blast` must declare at the least, by what the arguments of a method say of pods, nodes and time."""
    pods, nodes, seconds, begun = 0, 0, 0.0, False
    for activity in method:
        pauses = activity.get("pauses", {})
        seconds += pauses.get("before", 0) if begun else 0
        for func, said in faults([activity]):
            begun = True
            if func in borrowed.KNOWN:
                own = borrowed.KNOWN[func].model_validate(said).least()
                pods, nodes, seconds = max(pods, own.pods), max(nodes, own.nodes), seconds + own.seconds
                continue
            pods = max(pods, 0 if func == CLOSED else max(0, -said["by"]) if "by" in said else 1)
            nodes = max(nodes, int(func in ON_NODES or bool(said.get("away_s"))))
            seconds += said.get("within_s", said.get("hold_s", said.get("away_s", 0)))
        seconds += pauses.get("after", 0) if begun else 0
    return {"pods": pods, "share": 0.01 if pods else 0, "nodes": nodes, "seconds": max(seconds, 1) if begun else 0}


def _away(aim: Aim) -> Aim:
    """The same, with the nodes that are closed for as long as the pods are to stay away."""
    nodes = sorted({pod.node for pod in aim.blow.pods})
    when = f"{aim.when}, and the node that it is on" if aim.of else aim.when
    return replace(aim, blow=replace(aim.blow, nodes=nodes), when=when)


def _usual(func: str) -> str:
    """What a `pick` is where none is given."""
    pick = inspect.signature(getattr(actions, func)).parameters.get("pick")
    return str(pick.default) if pick else ALONE.get(func, "all")


def _names(some: Sequence[Pod]) -> str:
    return ", ".join(pod.key for pod in some)

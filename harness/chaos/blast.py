"""How far faults reach, compared with how far the experiment lets them reach, right before each fault."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.kube import Pod
from harness.safety import Blast


@dataclass(frozen=True)
class Blow:
    """What is about to be hit; `seconds` is the longest that it lasts, if known."""

    pods: Sequence[Pod] = ()
    nodes: Sequence[str] = ()
    seconds: float = 0.0


@dataclass
class Reach:
    """What the faults of a run have hit so far: uids of pods and names of nodes; `since` is when the first came, in
    seconds of the monotonic clock."""

    pods: set[str] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)
    since: float | None = None


def beyond(blast: Blast, reach: Reach, blow: Blow, there: Iterable[Pod], elapsed_s: float = 0.0) -> str | None:
    """Why this blow would be more than is declared, or None; `there` are the pods of its pods' namespaces."""
    pods = reach.pods | {pod.uid for pod in blow.pods}
    nodes = reach.nodes | set(blow.nodes)
    if len(pods) > blast.pods:
        return f"{len(pods)} pods, and at most {blast.pods} may be hit"
    if len(nodes) > blast.nodes:
        return f"{len(nodes)} nodes, and at most {blast.nodes} may be hit"
    if elapsed_s + blow.seconds > blast.seconds:
        return f"{elapsed_s + blow.seconds:.0f} s, and it may last {blast.seconds:g} s at most"
    for component, hit, of in _shares(blow.pods, pods, there):
        if round(hit / of, 2) > blast.share:
            return f"{hit} of {of} {component} pods at once, and at most {100 * blast.share:.0f} % may be hit"
    return None


def overdue(blast: Blast, reach: Reach) -> str | None:
    """Why the faults must be undone now, or None: they have lasted as long as declared."""
    if reach.since is None or time.monotonic() - reach.since <= blast.seconds:
        return None
    return (
        f"the first fault was {time.monotonic() - reach.since:.0f} s ago, and it may last {blast.seconds:g} s at most"
    )


def _shares(aimed: Sequence[Pod], hit: set[str], there: Iterable[Pod]) -> list[tuple[str, int, int]]:
    """Of each component that is aimed at: how many of its pods are hit, and how many there are that are hit or Ready.

    One that was hit before and is still there may not have come back.
    """
    found: dict[tuple[str, str], dict[str, Pod]] = {}
    for pod in (*there, *aimed):
        if pod.uid in hit or (pod.ready and not pod.deleting):
            found.setdefault((pod.namespace, pod.component), {})[pod.uid] = pod
    components = sorted({(pod.namespace, pod.component) for pod in aimed})
    return [(key[1], len(found[key].keys() & hit), len(found[key])) for key in components]

"""The primary of a database is asked to hand over in an orderly way: by Patroni's own switchover, asked of the member
itself, from within its pod.

Patroni answers when it has seen another leader. That is no proof: it is proved when its note and the servers
themselves, as they are asked all the time, have another primary. There is nothing to undo: whoever is the primary then
is as good as the one before, and a request that nobody took up is cleared away by the next leader.
"""

from __future__ import annotations

import time
from collections.abc import Set
from dataclasses import asdict, dataclass
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import EVERY_SECONDS, ROLES, Strike, choose, chosen
from harness.errors import FaultError, WaitTimeout
from harness.kube import Kube, KubeError, Pod
from harness.wait import until

ACTION = "switch_over"
PRIMARY, STANDBY = ROLES
NOT_POSSIBLE = range(400, 500)  # what was asked for cannot be, and nothing was begun

# Members say by their environment where they answer; 8008 is Patroni's own choice.
_ASK = """
import http.client, json, os, sys
leader, candidate, within_s = sys.argv[1:]
where = os.environ.get("PATRONI_RESTAPI_CONNECT_ADDRESS", "127.0.0.1:8008")
line = http.client.HTTPConnection(where, timeout=float(within_s))
line.request("POST", "/switchover", json.dumps({"leader": leader, "candidate": candidate}))
answer = line.getresponse()
print(answer.status, answer.read().decode("utf-8", "replace"))
"""


@dataclass(frozen=True)
class Answer:
    """What Patroni said: `status` of HTTP, or 0 where it could not be heard."""

    status: int
    words: str


def switch_over(context: Context, namespace: str, selector: str, within_s: float) -> list[dict[str, Any]]:
    """Ask the primary to hand over to a standby that the run's seed chooses, and wait until both say that another is
    the primary. Raises `FaultError` where there is none, or Patroni refuses."""
    (primary,) = chosen(context, namespace, selector, PRIMARY)
    heir = _heir(context, namespace, selector)
    blow = Blow([primary], seconds=within_s)
    strike = Strike.begin(context, ACTION, namespace, selector, blow, settled=True, on_nodes=False)
    deadline = time.monotonic() + within_s
    victim = strike.hit(primary, None, context.recorder.now(), handed_to=heir.key)
    answer = _ask(context.kube, primary, heir, within_s)
    if answer.status in NOT_POSSIBLE:
        strike.end(answer=asdict(answer))
        raise FaultError(f"{primary.key} does not hand over to {heir.key}: {answer.words}")
    servers = {pod.name for pod in context.kube.pods(namespace, selector)}
    if now := _wait_another(context, servers - {primary.name}, deadline):
        strike.prove(victim, primary=now, answer=asdict(answer))
    return strike.end(answer=asdict(answer), unproved=[] if now else [primary.key])


def _heir(context: Context, namespace: str, selector: str) -> Pod:
    roles = context.roles()
    standbys = [pod for pod in context.kube.pods(namespace, selector) if roles.get(pod.name) == STANDBY]
    if not (found := choose(standbys, "one", context.seed)):
        raise FaultError(f"no pod of {selector!r} is known to be a standby, so nobody was asked to hand over")
    return found[0]


def _ask(kube: Kube, primary: Pod, heir: Pod, within_s: float) -> Answer:
    """One that is not heard may have been given all the same."""
    command = ("python3", "-c", _ASK, primary.name, heir.name, f"{within_s:g}")
    try:
        status, _, words = kube.once(primary, primary.containers[0], command, within_s).partition(" ")
        return Answer(int(status), words.strip()[:200])
    except (KubeError, ValueError, LookupError) as cause:
        return Answer(0, str(cause)[-200:])


def _wait_another(context: Context, servers: Set[str], deadline: float) -> str | None:
    """Which of these is the primary, by whoever decides it and by itself, once one is."""

    def primary() -> str | None:
        roles = context.roles()
        return next((name for name in sorted(servers) if roles.get(name) == PRIMARY), None)

    try:
        left = deadline - time.monotonic()
        return until(primary, bool, what="another primary", timeout=left, every=EVERY_SECONDS)
    except WaitTimeout:
        return None

"""What a killed harness left on nodes is found by the agents that it left there, and mended before they go."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.chaos import leftovers
from harness.errors import FaultError
from harness.kube import Kube, firewall, nodes
from harness.settings import Settings
from harness.wait import until
from tests.unit.kube.test_agents import Cluster, aimed
from tests.unit.kube.test_nodes import VERSION_2, process, started
from tests.unit.loopback import serving

ID = "ab" * 32  # of the container that every pod there has
READY = "iptables -w 5 -L FORWARD > /dev/null"
FLOW = ("flow",)


def _possible() -> bool:
    if not all(map(shutil.which, ("unshare", "nsenter", "iptables"))):
        return False
    return subprocess.run(["unshare", "--net", "sh", "-c", READY], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _possible(), reason="a network of its own takes root and iptables")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "proc").mkdir()
    found = Cluster(tmp_path / "proc")
    with subprocess.Popen(["unshare", "--net", "sleep", "600"]) as inside:
        found.network = ["nsenter", "-t", str(inside.pid), "-n", "--"]
        ours, theirs = Path("/proc/self/ns/net"), Path(f"/proc/{inside.pid}/ns/net")
        until(lambda: theirs.readlink() != ours.readlink(), bool, what="a network", timeout=10, every=0.05)
        yield found
        inside.kill()


@pytest.fixture
def settings(cluster: Cluster, tmp_path: Path) -> Iterator[Settings]:
    with serving(cluster) as server:
        yield aimed(tmp_path, server)


def test_it_is_mended_and_the_agents_go(cluster: Cluster, settings: Settings) -> None:
    with process(cluster.proc, VERSION_2.format(id=ID)) as child:
        killed = Kube(settings)
        assert nodes.stop(killed.hands, {"one": [ID]})
        firewall.cut(killed.hands, "one", "10.0.0.1", "10.0.0.2", "10.0.0.3")
        assert firewall.dropped(killed.hands, "one") == [0] * 4  # two others, both ways
        kube = Kube(settings)
        left = ["1 processes on one are stopped", "packets are dropped on one", f"{leftovers.AGENT} one"]
        assert leftovers.find(kube, settings, FLOW) == left
        assert leftovers.repair(kube, settings, FLOW) == left
        assert nodes.STOPPED not in Path(f"/proc/{child.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2][:3]
        assert (leftovers.find(kube, settings, FLOW), cluster.agents) == ([], {})
        assert leftovers.repair(kube, settings, FLOW) == []
        assert firewall.dropped(kube.hands, "one") == []


def test_where_even_the_agent_is_gone_heal_looks(cluster: Cluster, settings: Settings) -> None:
    with process(cluster.proc, VERSION_2.format(id=ID)) as child:
        child.send_signal(signal.SIGSTOP)
        kube = Kube(settings)
        assert (leftovers.find(kube, settings, FLOW), cluster.agents) == ([], {})
        # Both nodes are this machine.
        wanted = [f"1 processes on {node} are stopped" for node in ("one", "two")]
        assert leftovers.heal(kube, settings, FLOW) == wanted
        assert cluster.agents == {}
        assert leftovers.heal(kube, settings, FLOW) == []
        assert cluster.agents == {}


def test_an_agent_that_never_ran_is_taken_away_as_well(cluster: Cluster, settings: Settings) -> None:
    cluster.fails = {"phase": "Failed", "containerStatuses": []}
    kube = Kube(settings)
    with pytest.raises(FaultError, match="the agent on one is over"):
        kube.hands.ready(["one"])
    assert leftovers.find(kube, settings, FLOW) == leftovers.repair(kube, settings, FLOW) == [f"{leftovers.AGENT} one"]
    assert cluster.agents == {}
    with pytest.raises(FaultError, match="the agent on one is over"):
        leftovers.heal(kube, settings, FLOW)
    assert cluster.agents == {}


def test_what_others_have_stopped_stays_so(cluster: Cluster, settings: Settings) -> None:
    with process(cluster.proc, VERSION_2.format(id="cd" * 32)) as child:
        child.send_signal(signal.SIGSTOP)
        one = nodes.Process(child.pid, started(child.pid))
        kube = Kube(settings)
        assert leftovers.heal(kube, settings, FLOW) == []
        assert nodes.states(kube.hands, {"one": [one]}) == {"one": {one: nodes.STOPPED}}

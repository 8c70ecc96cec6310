"""One harness at a time in a cluster: the second is refused by name, and a dead one blocks nobody for ever."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import lease
from harness.errors import UsageError
from harness.kube import Kube
from harness.lease import Claim, Holder, take
from tests.unit.kube.cluster import settings_for
from tests.unit.kube.coordination import LEASES, REVIEWS, Leases, failure, reviewed
from tests.unit.loopback import Reply, Request, Server, serving

ELSEWHERE = Holder("far", 12, "worker-kill-1", "0ther-b00t")


class Cluster(NamedTuple):
    leases: Leases
    kube: Kube
    server: Server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.05)
    monkeypatch.setattr(lease, "SETTLES_S", 0.2)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    leases = Leases()
    with serving(leases) as server:
        yield Cluster(leases, Kube(settings_for(tmp_path, server.url)), server)


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def taken(cluster: Cluster, patience_s: float = 0.0) -> Claim:
    found = take(cluster.kube, "airflow", "this-run", patience_s)
    assert found
    return found


def wait_for(what: object) -> None:
    assert callable(what)
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_is_held_renewed_and_given_up(cluster: Cluster) -> None:
    claim = taken(cluster)
    assert cluster.leases.holder == str(Holder.this("this-run"))
    first = cluster.leases.version
    wait_for(lambda: cluster.leases.version > first + 1)
    assert claim.release() == ""
    assert cluster.leases.lease is None


def test_a_second_one_is_refused_by_name_and_takes_nothing(cluster: Cluster) -> None:
    cluster.leases.put(str(ELSEWHERE), ago(3))
    with pytest.raises(UsageError, match=r"process 12 on far \(worker-kill-1\), last heard of [34] s ago"):
        take(cluster.kube, "airflow", "this-run")
    assert cluster.leases.holder == str(ELSEWHERE)


def test_two_that_start_at_once_are_one_that_runs_and_one_that_is_refused(cluster: Cluster) -> None:
    claim = taken(cluster)
    with pytest.raises(UsageError, match="this-run"):
        take(cluster.kube, "airflow", "that-run")
    assert claim.release() == ""
    second = take(cluster.kube, "airflow", "that-run")
    assert second
    second.release()


def test_one_that_ran_out_is_taken_over(cluster: Cluster) -> None:
    cluster.leases.put(str(ELSEWHERE), ago(31))
    claim = taken(cluster)
    assert cluster.leases.holder == str(Holder.this("this-run"))
    claim.release()


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_one_with_a_clock_of_its_own_lives_as_long_as_it_renews(cluster: Cluster, seconds: float) -> None:
    cluster.leases.put(str(ELSEWHERE), ago(seconds))
    others = Claim(cluster.kube, "airflow", str(ELSEWHERE), cluster.kube.leases.read("airflow"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="process 12 on far"):
        take(cluster.kube, "airflow", "this-run")
    others.release()


def test_a_clock_that_is_ahead_makes_no_dead_one_last_for_ever(cluster: Cluster) -> None:
    cluster.leases.put(str(ELSEWHERE), ago(-3600))
    taken(cluster).release()


def test_one_whose_process_here_has_ended_is_taken_over_at_once(cluster: Cluster) -> None:
    code = "from harness.lease import Holder; print(Holder.this('killed-run'))"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    cluster.leases.put(said, ago(0))
    taken(cluster).release()


def test_one_whose_process_here_lives_is_not(cluster: Cluster) -> None:
    cluster.leases.put(str(Holder.this("long-run")), ago(0))
    with pytest.raises(UsageError, match="long-run"):
        take(cluster.kube, "airflow", "this-run")


def test_who_is_patient_waits_for_the_end_of_the_other(cluster: Cluster) -> None:
    cluster.leases.put(str(ELSEWHERE), ago(29.5))
    taken(cluster, patience_s=20).release()


def test_a_holder_that_nobody_knows_is_named_as_it_is(cluster: Cluster) -> None:
    cluster.leases.put("somebody", ago(1))
    with pytest.raises(UsageError, match="'somebody'"):
        take(cluster.kube, "airflow", "this-run")


def test_it_is_not_lost_while_the_cluster_is_away(cluster: Cluster) -> None:
    claim = taken(cluster)
    cluster.leases.broken = True
    time.sleep(0.2)
    cluster.leases.broken = False
    before = cluster.leases.version
    wait_for(lambda: cluster.leases.version > before)
    assert claim.release() == ""


def test_a_renewal_whose_answer_was_lost_is_no_loss(cluster: Cluster) -> None:
    claim = taken(cluster)
    before = cluster.leases.version
    cluster.leases.deaf = True
    wait_for(lambda: cluster.leases.version > before)
    cluster.leases.deaf = False
    before = cluster.leases.version
    wait_for(lambda: cluster.leases.version > before)
    assert claim.release() == ""
    assert cluster.leases.lease is None


def test_one_that_another_took_is_told_and_left_to_it(cluster: Cluster) -> None:
    claim = taken(cluster)
    cluster.leases.put(str(ELSEWHERE), ago(0))
    wait_for(lambda: not claim._thread.is_alive())
    assert "another harness took the Lease of airflow" in claim.release()
    assert cluster.leases.holder == str(ELSEWHERE)


def test_where_there_is_no_namespace_there_is_nothing_to_hold(tmp_path: Path) -> None:
    with serving(lambda _: failure(404)) as server:
        assert take(Kube(settings_for(tmp_path, server.url)), "airflow", "this-run") is None


@pytest.mark.parametrize("allowed", [True, False])
def test_elsewhere_it_is_held_where_the_rights_allow(tmp_path: Path, allowed: bool) -> None:
    leases = Leases()

    def answer(request: Request) -> Reply:
        if request.path == REVIEWS:
            return reviewed(request, lambda asked: allowed or asked["verb"] != "update")
        if request.path.startswith(LEASES):
            return leases(request)
        return Reply(200, {"kind": "Namespace", "metadata": {"labels": {"airflow-chaos/allow": "true"}}})

    with serving(answer) as server:
        claim = take(Kube(settings_for(tmp_path, server.url, context="theirs")), "airflow", "this-run")
        assert (claim is not None) is allowed
        assert (leases.lease is not None) is allowed
        if claim:
            claim.release()


NAMES = st.from_regex(r"[a-z0-9.-]{1,9}", fullmatch=True)


@given(
    st.builds(Holder, NAMES, st.integers(1, 2**22), NAMES, st.just("") | st.from_regex(r"[0-9a-f]{12}", fullmatch=True))
)
def test_a_holder_is_read_as_it_was_written(holder: Holder) -> None:
    assert Holder.parse(str(holder)) == holder


@given(st.text())
def test_what_somebody_else_wrote_is_no_error(text: str) -> None:
    found = Holder.parse(text)
    assert found is None or found.pid >= 0

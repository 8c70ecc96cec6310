"""No fault reaches further than its experiment declares: compared before it lands, and the run ends where it would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from chaoslib.exceptions import ActivityFailed
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos import actions, context
from harness.chaos.blast import Blow, Reach, beyond
from harness.chaos.context import Context
from harness.chaos.strike import Strike
from harness.errors import FaultRefused
from harness.history import History, Recorder
from harness.kube import Kube, Pod
from harness.safety import Blast
from tests.unit.kube.cluster import listing, namespace, pod, settings_for
from tests.unit.kube.test_client import NAMESPACE
from tests.unit.loopback import Reply, Request, Server, serving

WIDE = Blast(pods=100, share=1.0, nodes=10, seconds=100)
BASE = Pod("airflow", "", "", "n", "worker", "Running", True, 0, None, False, (), "")
uids = st.sampled_from("abcdef")


def some(names: str, **about: object) -> list[Pod]:
    return [replace(BASE, name=name, uid=name, **about) for name in names]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("blast", "blow", "why"),
    [
        (Blast(pods=1, share=1, seconds=9), Blow(some("ab")), "2 pods, and at most 1 may be hit"),
        (Blast(pods=2, share=1, seconds=9), Blow(some("a"), ["n", "m"]), "2 nodes, and at most 0 may be hit"),
        (Blast(pods=2, share=0.5, seconds=9), Blow(some("abc")[:2], seconds=10), "10 s, and it may last 9 s at most"),
        (
            Blast(pods=2, share=0.5, seconds=9),
            Blow(some("ab")),
            "2 of 3 worker pods at once, and at most 50 % may be hit",
        ),
        (Blast(pods=2, share=0.67, seconds=9), Blow(some("ab")), None),
        (Blast(), Blow(), None),
    ],
)
def test_what_is_more_than_declared_is_named(blast: Blast, blow: Blow, why: str | None) -> None:
    assert beyond(blast, Reach(), blow, some("abc")) == why


def test_what_is_not_ready_is_no_part_of_the_whole() -> None:
    half = Blast(pods=1, share=0.5, seconds=1)
    assert beyond(half, Reach(), Blow(some("a")), some("ab")) is None
    for down in ({"ready": False}, {"deleting": True}):
        there = [*some("a"), *some("b", **down)]
        assert (
            beyond(half, Reach(), Blow(some("a")), there) == "1 of 1 worker pods at once, and at most 50 % may be hit"
        )


def test_what_was_hit_before_and_is_there_still_counts_with_it() -> None:
    half = Blast(pods=2, share=0.5, seconds=1)
    assert beyond(half, Reach(pods={"b"}), Blow(some("a")), some("ab")) is not None
    assert beyond(half, Reach(pods={"b"}), Blow(some("a")), some("ac")) is None


def test_other_components_and_namespaces_are_other_wholes() -> None:
    half = Blast(pods=9, share=0.5, seconds=1)
    others = [*some("xy", component="scheduler"), *some("z", namespace="other")]
    assert beyond(half, Reach(), Blow(some("a")), [*some("a"), *others]) is not None
    assert beyond(half, Reach(), Blow([*some("a"), *others[:1]]), [*some("ab"), *others]) is None


def test_time_runs_from_the_first_fault() -> None:
    assert beyond(Blast(seconds=10), Reach(), Blow(seconds=5), (), elapsed_s=5) is None
    assert beyond(Blast(seconds=10), Reach(), Blow(seconds=5), (), elapsed_s=6) == "11 s, and it may last 10 s at most"


@given(st.sets(uids), st.sets(uids, min_size=1), st.sets(uids), st.integers(0, 6), st.floats(0, 1))
def test_whatever_is_let_through_is_within_every_limit(
    before: set[str], aimed: set[str], there: set[str], most: int, share: float
) -> None:
    blast = Blast(pods=most, share=share, seconds=1)
    blow, all_of_them = Blow(some("".join(sorted(aimed)))), some("".join(sorted(there | aimed)))
    if beyond(blast, Reach(pods=set(before)), blow, all_of_them) is None:
        hit = (before & there) | aimed
        assert len(before | aimed) <= most
        assert len(hit) <= (share + 0.005) * len(there | aimed) + 1e-9


@given(st.sets(uids), st.sets(uids))
def test_what_is_declared_whole_is_never_refused(before: set[str], aimed: set[str]) -> None:
    assert beyond(WIDE, Reach(pods=set(before)), Blow(some("".join(sorted(aimed)))), some("abcdef")) is None


Run = tuple[Context, Server, list[tuple[str, str]]]


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Run]:
    """An open run on a cluster of ours with two schedulers, and what ended it."""
    uids = iter(getattr(request, "param", ()))  # of its namespace, one after another

    def answer(asked: Request) -> Reply:
        pods = listing("Pod", [pod("scheduler-1"), pod("scheduler-2")])
        return Reply(200, namespace(uid=next(uids, "the same")) if asked.path == NAMESPACE else pods)

    ended: list[tuple[str, str]] = []
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(answer) as server:
        settings = settings_for(tmp_path, server.url)
        here = Context(settings, Kube(settings), recorder, 0, {"scheduler": 2}, ("airflow",))
        here.stop = lambda who, because: ended.append((who, because))
        unbind = context.bind(here)
        yield here, server, ended
        unbind()
    recorder.close()


def test_a_fault_that_would_reach_too_far_hits_nothing_and_ends_the_run(run: Run) -> None:
    here, server, ended = run
    here.blast = Blast(pods=1, share=0.5, seconds=60)
    with pytest.raises(ActivityFailed, match="it would be 2 pods, and at most 1 may be hit"):
        actions.delete_pods("component=scheduler")
    ((who, because),) = ended
    assert who == "guard"
    assert because.startswith("nothing more was broken: it would be 2 pods")
    assert {r.method for r in server.asked} == {"GET"}
    assert here.begun == {}
    here.recorder.close()
    assert History.read(here.recorder.path).faults == ()


def test_nothing_may_be_hit_where_nothing_is_declared(run: Run) -> None:
    with pytest.raises(ActivityFailed, match="at most 0 may be hit"):
        actions.evict_pods("component=scheduler", "one")
    assert len(run[2]) == 1


@pytest.mark.parametrize("run", [("one", "two")], indirect=True)
def test_a_cluster_that_became_another_in_mid_run_is_left_alone(run: Run) -> None:
    here, server, ended = run
    here.blast = WIDE
    here.kube.confirm("airflow")
    with pytest.raises(ActivityFailed, match="another one than when the run began"):
        actions.delete_pods("component=scheduler")
    assert [who for who, _ in ended] == ["guard"]
    assert {r.method for r in server.asked} == {"GET"}


def test_hits_of_one_fault_count_for_the_next(run: Run) -> None:
    here, _, _ = run
    here.blast = Blast(pods=1, share=1.0, nodes=1, seconds=60)
    first, second = here.kube.pods("airflow")
    strike = Strike.begin(here, "kill_pods", "airflow", "component=scheduler", Blow([first], ["n"]))
    strike.hit(first, None, here.recorder.now())
    Strike.begin(here, "kill_pods", "airflow", "component=scheduler", Blow([first], ["n"]))
    with pytest.raises(FaultRefused, match="2 pods, and at most 1"):
        Strike.begin(here, "kill_pods", "airflow", "component=scheduler", Blow([second]))
    with pytest.raises(FaultRefused, match="2 nodes, and at most 1"):
        Strike.begin(here, "stop_node", "airflow", "component=scheduler", Blow([first], ["m"]))


def test_time_that_went_by_since_the_first_fault_counts(run: Run) -> None:
    here, _, _ = run
    here.blast = WIDE
    here.permit("airflow", Blow())
    assert here.reach.since is not None
    here.reach.since -= 95
    here.permit("airflow", Blow(seconds=4))
    with pytest.raises(FaultRefused, match="and it may last 100 s at most"):
        here.permit("airflow", Blow(seconds=6))

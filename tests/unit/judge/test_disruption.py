"""What the budget refused is counted, and the fewest pods Ready at once are those of any moment from the fault on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import Event, History, Meta, Record
from harness.judge import disruption
from harness.outcome import Check, Verdict
from harness.slo import CATALOGUE, Bound
from tests.unit.builders import at, fault, job, meta, pod, whole

TARGET = {"kind": "Pod", "name": "airflow/web-1", "uid": "u1", "node": "n1", "component": "scheduler"}


def check(name: str, limit: float, *records: Record) -> Check:
    bound = Bound(name, limit, CATALOGUE[name].unit, "origin")
    first = [] if any(isinstance(record, Meta) for record in records) else [meta()]
    (found,) = disruption.check(whole([*first, *records]), {name: bound})
    return found


def test_without_a_bound_nothing_is_judged() -> None:
    assert disruption.check(whole([fault(1, "begin", eviction=429)]), {}) == ()


def test_what_the_budget_refused_is_counted() -> None:
    gone, refused = fault(2, "injected", TARGET, eviction=201), fault(2.1, "begin", TARGET, eviction=429)
    found = check("disruption.refused", 1, fault(1, "begin"), gone, refused)
    assert (found.verdict, found.measure) == (Verdict.PASS, 1)
    assert found.because.startswith("Of 2 evictions asked for, the budget refused 1, the first 0.1 s after the fault")
    lax = check("disruption.refused", 1, fault(1, "begin"), gone)
    assert (lax.verdict, lax.measure) == (Verdict.FAIL, 0)
    assert lax.because.startswith("Of 1 evictions asked for, the budget refused 0; the limit")


@pytest.mark.parametrize(
    ("name", "records", "why"),
    [
        ("disruption.refused", [fault(1, "injected", TARGET)], "No eviction was asked for;"),
        ("disruption.ready", [pod(0, "web-1", "u1")], "There was no fault;"),
        (
            "disruption.ready",
            [pod(0, "web-1", "u1"), fault(1, "injected", TARGET), job(2, 1, "web-1"), pod(2, "x", "x", component="x")],
            "No pod of scheduler was seen to change after the fault;",
        ),
    ],
)
def test_what_was_not_seen_is_not_known(name: str, records: list[Record], why: str) -> None:
    found = check(name, 1, *records)
    assert found.verdict is Verdict.INVALID
    assert found.because.startswith(why)


def drained(*steps: Record) -> Check:
    begun = fault(1, "begin", node="n1", aimed=["airflow/web-1"])
    return check("disruption.blocked", 0, *(s.model_copy(update={"action": "drain_node"}) for s in (begun, *steps)))


def test_a_budget_may_slow_a_drain_down_and_never_forbid_it() -> None:
    no = [fault(t, "begin", TARGET, eviction=429) for t in (2, 3, 4)]
    slow = drained(*no, fault(5, "injected", TARGET, eviction=201))
    assert (slow.verdict, slow.measure) == (Verdict.PASS, 0)
    never = drained(*no)
    assert (never.verdict, never.measure) == (Verdict.FAIL, 1)
    assert "airflow/web-1" in never.because
    assert check("disruption.blocked", 0, fault(1, "begin", aimed=["airflow/web-1"])).verdict is Verdict.INVALID


def asked_to_go(*jobs: Record, action: str = "evict_pods") -> Check:
    """The check of `disruption.abrupt` where web-1, whose job is 1, is asked to go at 3 s."""
    hit = fault(3, "injected", TARGET).model_copy(update={"action": action})
    return check("disruption.abrupt", 0, job(1, 1, "web-1"), job(1, 2, "web-2"), hit, *jobs)


def test_a_scheduler_that_is_asked_to_go_ends_its_own_job() -> None:
    left = asked_to_go(job(5, 1, "web-1", "state", "success"), job(6, 2, "web-2"))
    assert (left.verdict, left.measure) == (Verdict.PASS, 0)
    for cut in (asked_to_go(job(25, 1, "web-1", "state", "failed")), asked_to_go()):
        assert (cut.verdict, cut.measure) == (Verdict.FAIL, 1)
        assert "airflow/web-1" in cut.because


@pytest.mark.parametrize(
    ("name", "kept", "broken"),
    [
        ("disruption.refused", Verdict.PASS, Verdict.INVALID),
        ("disruption.ready", Verdict.INVALID, Verdict.FAIL),
        ("disruption.abrupt", Verdict.PASS, Verdict.INVALID),
        ("disruption.blocked", Verdict.INVALID, Verdict.INVALID),
    ],
)
def test_of_a_history_that_was_cut_only_what_nothing_can_change_is_known(
    name: str, kept: Verdict, broken: Verdict
) -> None:
    limits = {"disruption.abrupt": (1.0, 0.0), "disruption.blocked": (1.0, 0.0)}.get(name, (1.0, 3.0))
    hit = fault(3, "injected", {**TARGET, "name": "airflow/web-2"}, eviction=201)
    records = [fault(2, "begin", node="n1", aimed=["airflow/web-1"]), fault(2.5, "begin", TARGET, eviction=429), hit]
    records = [r.model_copy(update={"action": "drain_node"}) for r in records]
    seen = [pod(1, "web-1", "u1"), pod(1, "web-2", "u2"), job(1, 1, "web-2"), pod(4, "web-2", "u2", "deleted")]
    every = sorted([*records, *seen], key=lambda record: record.t)
    for limit, cut, whole_ in zip(limits, (kept, broken), (Verdict.PASS, Verdict.FAIL), strict=True):
        bound = Bound(name, limit, CATALOGUE[name].unit, "origin")
        (known,), (found,) = (disruption.check(made([meta(), *every]), {name: bound}) for made in (whole, History.of))
        assert (known.verdict, found.verdict) == (whole_, cut)


def test_who_was_killed_or_never_heard_of_owes_no_leave() -> None:
    assert asked_to_go(action="kill_pods").verdict is Verdict.INVALID
    hit = fault(3, "injected", TARGET).model_copy(update={"action": "evict_pods"})
    assert check("disruption.abrupt", 0, hit, job(4, 1, "web-1", "state", "success")).verdict is Verdict.INVALID


def test_whoever_could_not_follow_jobs_accuses_nobody() -> None:
    blind = Event(t=at(4), source="probe", object="watcher", what="error", value={"of": "scheduler jobs", "error": "x"})
    assert asked_to_go(blind).verdict is Verdict.INVALID
    assert asked_to_go(blind, job(5, 1, "web-1", "state", "success")).verdict is Verdict.PASS


def test_the_first_moment_with_the_fewest_is_named_and_what_changed_with_the_fault_is_from_before() -> None:
    records: list[Record] = [pod(0, "web-1", "u1"), pod(0, "web-2", "u2"), pod(1, "web-3", "u3")]
    records += [fault(1, "injected", TARGET), pod(2, "web-1", "u1", ready=False), pod(3, "web-1", "u1")]
    records += [pod(4, "web-3", "u3", "deleted"), pod(5, "x", "x", ready=False, component="worker")]
    found = check("disruption.ready", 3, *records)
    assert (found.verdict, found.measure) == (Verdict.FAIL, 2)
    assert found.because == (
        "The fewest scheduler pods Ready at once were 2, 2.0 s into the run; the limit is at least 3 (origin)."
    )


@pytest.mark.parametrize(
    ("about", "replicas", "verdict", "said"),
    [
        ("web", 2, Verdict.FAIL, "The fewest scheduler pods"),
        ("web", 1, Verdict.INVALID, "Nothing was hit that has more than one pod"),
        ("scheduler", 1, Verdict.FAIL, "The fewest scheduler pods"),
    ],
)
def test_one_of_one_is_kept_by_no_budget_unless_the_experiment_is_about_it(
    about: str, replicas: int, verdict: Verdict, said: str
) -> None:
    """Seen: a drained node had the only DAG processor on it, beside one of two schedulers."""
    there = meta(component=about, replicas={"scheduler": replicas, "web": 2})
    events = [pod(0, "s-1", "u1"), fault(1, "injected", TARGET), pod(2, "s-1", "u1", "deleted")]
    found = check("disruption.ready", 1, there, *events)
    assert (found.verdict, found.because[: len(said)]) == (verdict, said)
    web = {**TARGET, "name": "airflow/w-1", "uid": "w1", "component": "web"}
    kept = [pod(0, f"w-{n}", f"w{n}", component="web") for n in (1, 2)]
    more = [*kept, fault(1, "injected", web), pod(3, "w-1", "w1", "deleted", component="web")]
    both = check("disruption.ready", 1, there, *sorted([*events, *more], key=lambda r: r.t))
    assert both.verdict is (Verdict.FAIL if verdict is Verdict.FAIL else Verdict.PASS)


STEPS = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=20)


@given(STEPS, STEPS)
def test_the_fewest_ready_are_those_of_any_moment_from_the_fault_on(
    before: list[tuple[int, bool, bool, bool]], after: list[tuple[int, bool, bool, bool]]
) -> None:
    records: list[Record] = [fault(100, "injected", TARGET)]
    serving: set[int] = set()
    seen: list[int] = []
    for number, (which, ready, deleting, gone) in enumerate(before + after):
        t = number if number < len(before) else 100 + number
        what = "deleted" if gone else "modified"
        records.append(pod(t, f"web-{which}", f"u{which}", what, ready=ready, deleting=deleting))
        if number == len(before):
            seen.append(len(serving))
        (serving.add if ready and not deleting and not gone else serving.discard)(which)
        if number >= len(before):
            seen.append(len(serving))
    records += [pod(105, "other", "x", ready=False, component="worker")]
    found = check("disruption.ready", 2, *sorted(records, key=lambda r: r.t))
    assert found.measure == min(seen)
    assert found.verdict is (Verdict.PASS if min(seen) >= 2 else Verdict.FAIL)


def blind(start: float, end: float | None, of: str = "pods of airflow") -> list[Record]:
    value = {"of": of, "error": "503"}
    events: list[Record] = [Event(t=at(start), source="probe", object="watcher", what="error", value=value)]
    if end is not None:
        events.append(Event(t=at(end), source="probe", object="watcher", what="recovered", value=value))
    return events


def test_what_may_have_happened_unseen_is_not_known() -> None:
    seen: list[Record] = [pod(0, "web-1", "u1"), pod(0, "web-2", "u2"), fault(1, "injected", TARGET)]
    seen.append(pod(9, "web-3", "u3"))
    for unseen in (blind(2, 8), blind(0.5, 8), blind(2, None)):
        found = check("disruption.ready", 2, *seen, *unseen)
        assert found.verdict is Verdict.INVALID
        assert found.because.startswith("Pods could not be followed for ")
    assert check("disruption.ready", 3, *seen).verdict is Verdict.FAIL
    assert check("disruption.ready", 3, *seen, *blind(0.5, 8)).verdict is Verdict.INVALID, "nobody saw who was Ready"
    for other in (blind(0.2, 0.9), blind(2, 8, "scheduler jobs")):
        assert check("disruption.ready", 2, *seen, *other).verdict is Verdict.PASS

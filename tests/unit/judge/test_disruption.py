"""What the budget refused is counted, and the fewest pods Ready at once are those of any moment from the fault on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.history import Record
from harness.judge import disruption
from harness.outcome import Check, Verdict
from harness.slo import CATALOGUE, Bound
from tests.unit.builders import fault, pod, whole

TARGET = {"kind": "Pod", "name": "airflow/web-1", "uid": "u1", "node": "n1", "component": "scheduler"}


def check(name: str, limit: float, *records: Record) -> Check:
    bound = Bound(name, limit, CATALOGUE[name].unit, "origin")
    (found,) = disruption.check(whole(list(records)), {name: bound})
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


def test_where_no_eviction_was_asked_for_nothing_is_known() -> None:
    assert check("disruption.refused", 1, fault(1, "injected", TARGET)).verdict is Verdict.INVALID
    assert check("disruption.ready", 1, pod(0, "web-1", "u1")).verdict is Verdict.INVALID
    assert check("disruption.ready", 1, pod(0, "web-1", "u1"), fault(1, "injected", TARGET)).verdict is Verdict.INVALID


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

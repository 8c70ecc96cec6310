"""An upgrade is believed where every pod, the database and each api-server say so, before and after; then its times
are measured, from the hit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import NS, Event, Fault, History
from harness.judge.faults import targets
from harness.judge.sightings import Sightings
from harness.judge.upgrade import COMPLETE, MIGRATED, check, doubt
from harness.outcome import Verdict
from harness.slo import Bound
from tests.unit.builders import at, pod, whole

OLD, NEW = "r/airflow:3.2.2", "r/airflow:3.3.2"
COMPONENTS = {"api-server": 2, "worker": 1}
BEFORE = [f"airflow/{name}-{n}" for name, count in COMPONENTS.items() for n in range(count)]
AFTER = [f"{name}-new" for name in BEFORE]
HIT = 10.0


def component(name: str) -> str:
    return next(one for one in COMPONENTS if one in name)


def look(names: list[str], image: str, revision: str) -> dict[str, Any]:
    release = image.rpartition(":")[2]
    return {
        "revision": revision,
        "images": dict.fromkeys(names, image),
        "installed": dict.fromkeys(names, release),
        "answers": {name: release for name in names if component(name) == "api-server"},
    }


def proof(**other: Any) -> dict[str, Any]:
    times = {"migrated_t": at(40), "complete_t": at(150)}
    looks = {"before": look(BEFORE, OLD, "1d66"), "after": look(AFTER, NEW, "d2f4")}
    return {"image": NEW, **looks, **times, "uid_gone": True, "process_gone": True, **other}


def upgraded(said: dict[str, Any] | None, *more: Event) -> History:
    def steps() -> Iterator[Fault]:
        for name in BEFORE:
            target = {"kind": "Pod", "name": name, "uid": name, "node": "n", "component": component(name)}
            step = {"id": "upgrade-1", "action": "upgrade", "target": target}
            yield Fault.model_validate({**step, "t": at(HIT), "phase": "injected"})
            if said is not None:
                yield Fault.model_validate({**step, "t": at(160), "phase": "proved", "evidence": said})

    return whole(sorted([*steps(), *more], key=lambda record: record.t))


def bounds(limit: float = 200.0) -> dict[str, Bound]:
    return {name: Bound(name, limit, "s", "a test") for name in (MIGRATED, COMPLETE)}


def doubts(history: History) -> set[str | None]:
    return {doubt(target, Sightings(history)) for target in targets(history)}


def test_what_all_say_is_believed_and_measured_from_the_hit() -> None:
    history = upgraded(proof())
    assert doubts(history) == {None}
    found = {one.name: one for one in check(history, bounds())}
    assert {name: one.measure for name, one in found.items()} == {MIGRATED: 30.0, COMPLETE: 140.0}
    assert {one.verdict for one in found.values()} == {Verdict.PASS}
    assert "1d66 → d2f4" in found[MIGRATED].because
    assert "3.2.2 → 3.3.2" in found[COMPLETE].because


@given(st.integers(0, 3600 * NS), st.integers(0, 3600 * NS), st.floats(1, 3600))
def test_a_time_is_within_its_limit_or_not(took: int, more: int, limit: float) -> None:
    said = proof(migrated_t=at(HIT) + took, complete_t=at(HIT) + took + more)
    found = {one.name: one for one in check(upgraded(said), bounds(limit))}
    for name, true in ((MIGRATED, took), (COMPLETE, took + more)):
        assert found[name].measure == true / NS
        assert found[name].verdict is (Verdict.PASS if true / NS <= limit else Verdict.FAIL)


def changed(moment: str, part: str, name: str, value: str | None) -> dict[str, Any]:
    """A proof in which one pod says something else, or nothing."""
    said = proof()
    table = said[moment][part]
    said[moment][part] = {k: v for k, v in {**table, name: value}.items() if v is not None}
    return said


# Each way not to know that it was an upgrade.
DOUBTED: dict[str, tuple[dict[str, Any], str]] = {
    "no word of it": ({"uid_gone": True, "process_gone": True}, "nothing says which release ran"),
    "words of another kind": (proof(before="3.2.2"), "nothing says which release ran"),
    "a time that is none": (proof(migrated_t=True), "nothing says which release ran"),
    "never migrated": (proof(migrated_t=None), "nobody saw the database migrated"),
    "never complete": (proof(complete_t=None), "not every pod had r/airflow:3.3.2 in time"),
    "complete before it was migrated": (proof(complete_t=at(30)), "was hit after what it led to"),
    "migrated before it was hit": (proof(migrated_t=at(9)), "was hit after what it led to"),
    "the same tables": (proof(after=look(AFTER, NEW, "1d66")), "revision was 1d66 before, and 1d66 after"),
    "tables that nobody read before": (proof(before=look(BEFORE, OLD, "")), "unknown before, and d2f4 after"),
    "tables that nobody read after": (proof(after=look(AFTER, NEW, "")), "1d66 before, and unknown after"),
    "the same release": (proof(after=look(AFTER, NEW, "d2f4") | {
        "installed": dict.fromkeys(AFTER, "3.2.2"), "answers": dict.fromkeys(AFTER[:2], "3.2.2")
    }), "3.2.2 ran before the upgrade and after it"),
    "one has the old image": (changed("after", "images", AFTER[2], OLD), f"{AFTER[2]} had another image after"),
    "one had the new image": (changed("before", "images", BEFORE[2], NEW), f"{BEFORE[2]} had the new image before"),
    "one has the old release": (changed("after", "installed", AFTER[2], "3.2.2"), "3.2.2, 3.3.2 all ran after"),
    "one answers the old release": (changed("after", "answers", AFTER[0], "3.2.2"), "3.2.2, 3.3.2 all ran after"),
    "one does not say": (changed("after", "installed", AFTER[2], None), f"{AFTER[2]} was not heard to say"),
    "one did not say": (changed("before", "installed", BEFORE[2], None), f"{BEFORE[2]} was not heard to say"),
    "one api-server did not answer": (changed("before", "answers", BEFORE[1], None), f"{BEFORE[1]} served"),
    "nobody answers": (proof(after=look(AFTER, NEW, "d2f4") | {"answers": {}}), "an api-server was not heard"),
    "nobody was there before": (proof(before=look([], OLD, "1d66")), "an api-server was not heard"),
}  # fmt: skip


@pytest.mark.parametrize("case", DOUBTED)
def test_what_anybody_does_not_say_is_not_believed(case: str) -> None:
    said, why = DOUBTED[case]
    history = upgraded(said)
    found = doubts(history)
    assert None not in found
    assert any(why in str(one) for one in found), found
    assert {one.verdict for one in check(history, bounds())} == {Verdict.INVALID}


def test_without_a_proof_or_an_upgrade_nothing_is_measured() -> None:
    assert {one.verdict for one in check(upgraded(None), bounds())} == {Verdict.INVALID}
    (one, *_) = check(whole([]), bounds())
    assert "No release was replaced" in one.because
    assert check(upgraded(proof()), {}) == ()


@pytest.mark.parametrize("name", ["airflow/api-server-9", "airflow/worker-9"])
def test_who_serves_and_was_not_asked_is_not_believed_for(name: str) -> None:
    """As the watcher saw it; one that is on its way out serves nobody, and one that came later need not be asked."""

    def seen(t: float, **how: Any) -> Event:
        return pod(t, name.removeprefix("airflow/"), "u9", component=component(name), **how)

    assert any(f"{name} served" in str(one) for one in doubts(upgraded(proof(), seen(140))))
    assert doubts(upgraded(proof(), seen(151))) == {None}
    assert doubts(upgraded(proof(), seen(140), seen(145, deleting=True))) == {None}

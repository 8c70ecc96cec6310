"""One verdict over all victims: nothing that was there can be left out of a PASS, however it was hidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.outcome import Check, Outcome, Verdict
from harness.swept import Place, Sweep, Trial, headline, same

PASS, FAIL, INVALID = Verdict.PASS, Verdict.FAIL, Verdict.INVALID


def place(name: str, owner: str = "", *, part: str = "", duty: str = "", uid: str = "") -> Place:
    owner = owner or f"airflow/StatefulSet/{name}"
    return Place(name=f"airflow/{name}", uid=uid or f"uid-{name}", owner=owner, part=part, component=name, duty=duty)


def again(one: Place, number: int = 2) -> Place:
    """What came in the place of a pod."""
    return one.model_copy(update={"uid": f"{one.uid}-{number}", "name": f"{one.name}-{number}"})


def trial(victim: Place, verdict: Verdict = PASS, hit: Place | None = None, **more: Any) -> Trial:
    return Trial(victim=victim.uid, hit=hit or victim, run_id=f"run-{victim.name}", verdict=verdict, **more)


def sweep(there: Sequence[Place], trials: Sequence[Trial], after: Sequence[Place] | None = None) -> Sweep:
    last = [again(one) for one in there] if after is None else after
    return Sweep(
        name="sweep",
        what="pods",
        stack="celery",
        wall="2026-01-01T00:00:00Z",
        there=tuple(there),
        pods=tuple(there),
        after=tuple(last),
        trials=tuple(trials),
    )


OWNERS = ("airflow/Deployment/api-server", "airflow/StatefulSet/patroni", "metallb-system/DaemonSet/speaker")


@st.composite
def stacks(draw: st.DrawFn) -> list[Place]:
    """Pods of a Deployment are all alike; of the others each is a part of its own."""
    found: list[Place] = []
    for owner in OWNERS:
        kind, name = owner.split("/")[1:]
        for number in range(draw(st.integers(0, 3))):
            one = f"{name}-{number}"
            found.append(place(one, owner, part="" if kind == "Deployment" else one))
    return found


@st.composite
def whole(draw: st.DrawFn) -> Sweep:
    """A sweep that hit everything, in any order; some pods were replaced before their turn, by another's doing."""
    there = draw(stacks().filter(bool))
    replaced = draw(st.sets(st.sampled_from(there)))
    order = draw(st.permutations(there))
    return sweep(there, [trial(one, hit=again(one, 7) if one in replaced else one) for one in order])


@given(whole())
def test_all_that_was_there_and_all_pass_is_a_pass(found: Sweep) -> None:
    assert found.gaps == ()
    assert found.verdict is PASS


@given(whole(), st.data())
def test_one_that_is_left_out_is_no_pass(found: Sweep, data: st.DataObject) -> None:
    left = data.draw(st.sampled_from(found.there))
    fewer = found.model_copy(update={"trials": tuple(t for t in found.trials if t.victim != left.uid)})
    assert fewer.verdict is INVALID
    assert left in fewer.missed
    assert left.name in fewer.gaps[0]


@given(whole(), st.data())
def test_a_kill_that_is_counted_twice_hides_nobody(found: Sweep, data: st.DataObject) -> None:
    """The pod that one victim's run hit, in the place of what another's should have."""
    if len(found.there) < 2:
        return
    one, other = data.draw(st.permutations(found.trials))[:2]
    twice = other.model_copy(update={"hit": one.hit})
    doubled = found.model_copy(update={"trials": tuple(twice if t is other else t for t in found.trials)})
    assert doubled.verdict is INVALID
    assert doubled.missed


@given(whole(), st.data())
def test_the_same_again_changes_nothing(found: Sweep, data: st.DataObject) -> None:
    more = data.draw(st.lists(st.sampled_from(found.trials)))
    assert found.model_copy(update={"trials": (*found.trials, *more)}).verdict is PASS


@given(whole(), st.data(), st.sampled_from([FAIL, INVALID]))
def test_one_that_is_no_pass_is_the_verdict_of_all(found: Sweep, data: st.DataObject, bad: Verdict) -> None:
    spoilt = data.draw(st.sampled_from(found.trials))
    worse = [t.model_copy(update={"verdict": bad}) if t is spoilt else t for t in found.trials]
    assert sweep(found.there, worse).verdict is bad


@given(whole(), st.data())
def test_a_failure_stays_whatever_comes_after_it(found: Sweep, data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(found.there))
    failed, good = trial(victim, FAIL, again(victim, 8)), trial(victim, PASS, again(victim, 9))
    for order in ((failed, good), (good, failed)):
        worse = found.with_(order[0]).with_(order[1])
        assert (worse.verdict_of(victim), worse.verdict) == (FAIL, FAIL)


@given(whole(), st.data())
def test_what_could_not_be_judged_is_made_good_by_a_run_that_could(found: Sweep, data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(found.there))
    refused = Trial(victim=victim.uid, because="the machine is not quiet")
    before = found.model_copy(update={"trials": (refused, *found.trials)})
    assert (before.verdict_of(victim), before.verdict) == (PASS, PASS)


@given(whole(), st.data())
def test_a_pass_of_which_nothing_proves_what_it_hit_is_none(found: Sweep, data: st.DataObject) -> None:
    spoilt = data.draw(st.sampled_from(found.trials))
    elsewhere = data.draw(st.sampled_from([None, place("stranger")]))
    doubted = [t.model_copy(update={"hit": elsewhere}) if t is spoilt else t for t in found.trials]
    assert sweep(found.there, doubted).verdict is INVALID


@given(whole(), st.data())
def test_whatever_goes_or_comes_for_good_in_between_is_told(found: Sweep, data: st.DataObject) -> None:
    assert found.after is not None
    one = data.draw(st.sampled_from(found.after))
    gone = found.model_copy(update={"after": tuple(p for p in found.after if p is not one)})
    more = found.model_copy(update={"after": (*found.after, again(one, 5))})
    assert (gone.verdict, more.verdict) == (INVALID, INVALID)
    assert "went, and was not replaced" in gone.gaps[0]
    assert "came in between, replacing none" in more.gaps[0]


@given(stacks(), stacks())
def test_places_are_the_same_by_owner_and_part(one: list[Place], other: list[Place]) -> None:
    renamed = [again(p) for p in one]
    assert same(one, renamed)
    assert same(one, other) is (Counter(p.slot for p in one) == Counter(p.slot for p in other))


def test_what_was_asked_before_a_trial_is_not_what_is_true_after_it() -> None:
    one = place("redis-0")
    begun = sweep([one], [])
    assert (begun.verdict, begun.missed) == (INVALID, (one,))
    done = begun.with_(trial(one))
    assert (done.verdict, done.missed, done.hits) == (PASS, (), done.trials)


def test_a_sweep_that_nobody_looked_back_on_or_of_nothing_is_no_pass() -> None:
    one = place("redis-0")
    assert sweep([one], [trial(one)]).verdict is PASS
    assert sweep([one], [trial(one)]).model_copy(update={"after": None}).verdict is INVALID
    assert sweep([], []).verdict is INVALID


def test_where_there_is_a_primary_it_was_hit_as_one() -> None:
    owner = "airflow/StatefulSet/patroni"
    there = [place(f"p-{n}", owner, part=f"p-{n}", duty="primary" if n == 1 else "replica") for n in range(3)]
    moved = [one.model_copy(update={"duty": "replica"}) for one in there]
    assert sweep(there, [trial(one) for one in there]).verdict is PASS
    passed_on = [trial(one, hit=hit) for one, hit in zip(there, moved, strict=True)]
    found = sweep(there, passed_on)
    assert (found.verdict, found.gaps) == (INVALID, (f"none that was hit of {owner} was its primary",))


def test_a_part_says_nothing_of_the_others() -> None:
    there = [place(f"w-{n}", "airflow/Deployment/worker") for n in range(4)]
    half = sweep(there, [trial(one) for one in there[::2]])
    assert (half.verdict_over(there[::2]), half.verdict_over(there[:2]), half.verdict) == (PASS, INVALID, INVALID)


def checks(**verdicts: Verdict) -> tuple[Check, ...]:
    seconds = (count(1), {"unit": "s", "limit": 2.0, "origin": "", "because": "so it was."})
    return tuple(
        Check(name=name.replace("__", "."), verdict=word, measure=float(next(seconds[0])), **seconds[1])
        for name, word in verdicts.items()
    )


def test_a_trial_keeps_what_its_run_measured_and_did_not_pass() -> None:
    found = checks(
        availability__read__outage=PASS,
        availability__write__outage=FAIL,
        rollback__time=PASS,
        redundancy__peers=INVALID,
    )
    run = Outcome(run_id="r-1", experiment="any-one-pod", stack="celery", verdict=FAIL, checks=found)
    kept = Trial(victim="u").judged(run)
    assert (kept.run_id, kept.verdict, kept.failed, kept.doubted) == (
        "r-1",
        FAIL,
        ("availability.write.outage",),
        ("redundancy.peers",),
    )
    assert (kept.outage, kept.back, kept.because) == (2.0, 3.0, "so it was.")
    good = Trial(victim="u").judged(run.model_copy(update={"verdict": PASS, "checks": checks(rollback__time=PASS)}))
    assert (good.because, good.outage) == ("", None)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ((PASS, PASS), "Any one pod of celery: of 2, 2 may die."),
        ((PASS, FAIL), "Any one pod of celery: of 2, 1 may die, 1 may not (airflow/b)."),
        ((INVALID, PASS), "Any one pod of celery: of 2, 1 may die, of 1 nothing can be said."),
    ],
)
def test_the_headline_names_what_may_not_die(verdicts: tuple[Verdict, ...], said: str) -> None:
    there = [place("a"), place("b")]
    assert headline(sweep(there, [trial(p, v) for p, v in zip(there, verdicts, strict=True)])) == said


def test_the_headline_says_what_was_left_out() -> None:
    there = [place("a"), place("b")]
    said = headline(sweep(there, [trial(there[0])]))
    assert said.endswith("of 1 nothing can be said. Left open: there, and not hit: airflow/b.")

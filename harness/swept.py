"""A sweep: all that was there, what happened when each was hit, and one verdict over all.

What was hit is replaced, so pods come and go meanwhile. A new one takes the place of an old one if it has the same
owner, and is the same part of it. All places must have been hit, each by a kill of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness.outcome import Outcome, Verdict, worst_verdict

MOST_NAMES = 5
PRIMARY = frozenset({"primary", "master"})
Slot = tuple[str, str]
What = Literal["pods", "nodes"]


class Place(BaseModel):
    """A pod, or a node, as it was found. `owner` is what replaces it, as namespace/kind/name; `part` says which of the
    owner's pods it is, by number or by node, if they are not all alike; `duty` is its role among them."""

    model_config = ConfigDict(frozen=True)

    name: str
    uid: str
    owner: str
    part: str = ""
    component: str = ""
    node: str = ""
    duty: str = ""

    @property
    def slot(self) -> Slot:
        return self.owner, self.part


class LeftOut(BaseModel):
    """Something that was there and is not a victim, and why."""

    model_config = ConfigDict(frozen=True)

    name: str
    because: str


class Trial(BaseModel):
    """One run. `victim` is the uid of the place whose turn it was; `hit` what the history proves to have been hit, or
    None. `outage` and `back` are seconds: the longest outage, and the time until all was as before."""

    model_config = ConfigDict(frozen=True)

    victim: str
    hit: Place | None = None
    run_id: str = ""
    wall: str = ""
    verdict: Verdict = Verdict.INVALID
    failed: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()
    because: str = ""
    outage: float | None = None
    back: float | None = None

    def judged(self, outcome: Outcome) -> Trial:
        """With the outcome of its run."""
        of = {word: [c for c in outcome.checks if c.verdict is word] for word in Verdict}
        measures = {c.name: c.measure for c in outcome.checks if c.measure is not None}
        came = {
            "run_id": outcome.run_id,
            "verdict": outcome.verdict,
            "failed": tuple(c.name for c in of[Verdict.FAIL]),
            "doubted": tuple(c.name for c in of[Verdict.INVALID]),
            "because": "" if outcome.verdict is Verdict.PASS else next((c.because for c in of[outcome.verdict]), ""),
            "outage": max((m for name, m in measures.items() if name.endswith(".outage")), default=None),
            "back": measures.get("rollback.time"),
        }
        return self.model_copy(update=came)


class Sweep(BaseModel):
    """`there` is what was to be hit, `after` what was there in the end, and `pods` where all pods were at first. Trials
    are in order."""

    model_config = ConfigDict(frozen=True)

    name: str
    what: What
    stack: str
    wall: str
    version: str = ""
    there: tuple[Place, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    pods: tuple[Place, ...] = ()
    after: tuple[Place, ...] | None = None
    trials: tuple[Trial, ...] = ()

    def of(self, place: Place) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.trials if trial.victim == place.uid)

    def verdict_of(self, place: Place) -> Verdict | None:
        """A FAIL stays, whatever came after it; a PASS that counts makes good for a run that could not be judged. None
        if it was not tried."""
        verdicts = {trial.verdict for trial in self.of(place)}
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        if any(trial.verdict is Verdict.PASS for trial in self.of(place) if trial in self.hits):
            return Verdict.PASS
        return Verdict.INVALID if verdicts else None

    @property
    def hits(self) -> tuple[Trial, ...]:
        """The trials that count: what was hit was in its victim's place, and was hit for no other victim."""
        slots = {place.uid: place.slot for place in self.there}
        claimed: dict[str, str] = {}
        for trial in self.trials:
            if trial.hit:
                claimed.setdefault(trial.hit.uid, trial.victim)
        return tuple(t for t in self.trials if _counts(t, slots.get(t.victim), claimed))

    @property
    def missed(self) -> tuple[Place, ...]:
        """What was there and was never hit."""
        hit = {trial.victim for trial in self.hits}
        return tuple(place for place in self.there if place.uid not in hit)

    @property
    def gaps(self) -> tuple[str, ...]:
        """Why nothing can be said about all that was there."""
        found = [f"there, and not hit: {_some(p.name for p in self.missed)}"] if self.missed else []
        found += [] if self.there else ["nothing was there"]
        hit = {(t.hit.owner, t.hit.duty in PRIMARY) for t in self.hits if t.hit}
        primaries = {place.owner for place in self.there if place.duty in PRIMARY}
        found += [
            f"none that was hit of {owner} was its primary" for owner in sorted(primaries) if (owner, True) not in hit
        ]
        return (*found, *self._turnover())

    def _turnover(self) -> Iterable[str]:
        """There must be as many of each kind in the end as at first."""
        if self.after is None:
            return ["nobody looked at what was there in the end"]
        first, last = (Counter(place.slot for place in some_of) for some_of in (self.there, self.after))
        came = [p.name for p in _of_slots(self.after, last - first)]
        went = [p.name for p in _of_slots(self.there, first - last)]
        return [
            *([f"came in between, replacing none: {_some(came)}"] if came else []),
            *([f"went, and was not replaced: {_some(went)}"] if went else []),
        ]

    @property
    def verdict(self) -> Verdict:
        """PASS if all are, and nothing was left out."""
        each = [self.verdict_of(place) or Verdict.INVALID for place in self.there]
        return worst_verdict((*each, *([Verdict.INVALID] if self.gaps else [])))

    def verdict_over(self, chosen: Iterable[Place]) -> Verdict:
        """The verdict over these alone, which says nothing about the others."""
        return worst_verdict(tuple(self.verdict_of(place) or Verdict.INVALID for place in chosen))

    def with_(self, trial: Trial) -> Sweep:
        return self.model_copy(update={"trials": (*self.trials, trial)})


def _counts(trial: Trial, slot: Slot | None, claimed: dict[str, str]) -> bool:
    return trial.hit is not None and trial.hit.slot == slot and claimed[trial.hit.uid] == trial.victim


def _of_slots(places: Sequence[Place], many: Counter[Slot]) -> list[Place]:
    """The last `many` of each slot."""
    left, found = Counter(many), []
    for place in reversed(places):
        if left[place.slot] > 0:
            left[place.slot] -= 1
            found.append(place)
    return found[::-1]


def _some(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - MOST_NAMES} more" if len(every) > MOST_NAMES else ""
    return ", ".join(every[:MOST_NAMES]) + more


def same(one: Sequence[Place], other: Sequence[Place]) -> bool:
    """Whether the same places are there."""
    return Counter(p.slot for p in one) == Counter(p.slot for p in other)


def headline(sweep: Sweep) -> str:
    """The result, in a sentence or two."""
    each = {place: sweep.verdict_of(place) for place in sweep.there}
    kept, lost = ([p.name for p, v in each.items() if v is word] for word in (Verdict.PASS, Verdict.FAIL))
    one = {"pods": "pod", "nodes": "node"}[sweep.what]
    fails = f", {len(lost)} may not ({', '.join(lost)})" if lost else ""
    open_ = len(each) - len(kept) - len(lost)
    rest = f", of {open_} nothing can be said" if open_ else ""
    gaps = "; ".join(sweep.gaps)
    why = f" Left open: {gaps}." if gaps else ""
    return f"Any one {one} of {sweep.stack}: of {len(each)}, {len(kept)} may die{fails}{rest}.{why}"

"""Does the judge agree with the truth of a world? And the smallest world in which it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.worlds.choices import World, draw, simpler
from benchmarks.worlds.kinds import leave
from benchmarks.worlds.life import Life
from benchmarks.worlds.stack import Stack
from benchmarks.worlds.timed.planted import schedule
from benchmarks.worlds.truth import Truth, beyond, truth
from benchmarks.worlds.twists import twist
from benchmarks.worlds.written import history
from harness.history import History
from harness.judge.verdict import judge
from harness.outcome import Outcome, Verdict
from harness.slo import CATALOGUE

Judge = Callable[[History], Outcome]
BOUNDS = tuple(sorted(CATALOGUE))


@dataclass(frozen=True)
class Found:
    """One world, judged: what it truly was, what the judge said, and in what they disagree."""

    world: World
    label: str
    verdict: Verdict
    wrong: tuple[str, ...]


def live(world: World) -> tuple[Life, Truth]:
    life = Stack(world).live()
    schedule(life, world)
    twist(life, world)
    leave(life, world)
    return life, truth(life, world)


def compare(world: World, judged: Judge = judge) -> Found:
    life, true = live(world)
    outcome = judged(history(life, world, true.limits))
    return Found(world, true.label, outcome.verdict, tuple(disagreements(true, outcome)))


def disagreements(true: Truth, outcome: Outcome) -> list[str]:
    """Each disagreement in a few words: of the run, of a check, of a measure."""
    wrong = []
    if outcome.verdict not in true.verdicts:
        wrong.append(f"the run is {true.label}, and judged {outcome.verdict}")
    said = {check.name: check for check in outcome.checks}
    for name, possible in sorted(true.checks.items()):
        check = said.pop(name, None)
        if check is None:
            wrong.append(f"{name} is not judged")
        elif check.verdict not in possible:
            words = " or ".join(sorted(possible))
            wrong.append(f"{name} is {words}, and judged {check.verdict}: {check.because}")
        elif check.measure is not None and beyond(true, name, check.measure):
            wrong.append(f"{name} is {true.measures[name].value:g}, and measured {check.measure:g}")
    wrong += [f"{c.name} is judged {c.verdict}: {c.because}" for c in said.values() if c.verdict is not Verdict.PASS]
    return wrong


def of_seed(seed: int, judged: Judge = judge) -> Found:
    return compare(draw(seed, BOUNDS), judged)


def smallest(found: Found, judged: Judge = judge) -> Found:
    """The world with as little in it as still disagrees, about the same check as before."""
    about = _about(found)
    for world in simpler(found.world):
        again = compare(world, judged)
        if _about(again) & about:
            return smallest(again, judged)
    return found


def _about(found: Found) -> set[str]:
    return {words.split()[0] for words in found.wrong}

"""The judge agrees with simulated worlds, whose truth is known; and worlds find a judge that is wrong.

`WORLDS` is how many are drawn; `make mutants-worlds` takes more of them, and nothing else, as test of the judge.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest

from benchmarks.worlds.__main__ import count, part_of
from benchmarks.worlds.choices import ALL, FURTHER, SCHEDULED, SCHEDULES, Twist, World, draw, simpler, singly
from benchmarks.worlds.compare import BOUNDS, Found, compare, disagreements, live, smallest
from benchmarks.worlds.counted import Counted, judge_id
from benchmarks.worlds.limits import measures, needed
from benchmarks.worlds.lines import lines
from benchmarks.worlds.tally import Tally
from benchmarks.worlds.truth import Truth
from benchmarks.worlds.written import history
from harness.errors import UsageError
from harness.history import History
from harness.judge.verdict import judge
from harness.outcome import Check, Outcome, Verdict

DRAWN = int(os.environ.get("WORLDS", "200"))
SHARES = 20
# The smallest worlds in which the judge was wrong once, and why it was.
MENDED = {
    "0,celery,scheduler,prober=2": "it was the prober that came late",
    "0,celery,scheduler,impossible=2": "records contradict each other",
    "0,celery,scheduler,blind-pods=3": "nobody saw the pods to the end",
    "73,celery,api-server,cut-short=0": "a share of a part is none of the whole",
    "5003198,celery,scheduler,blind-jobs=3": "whoever could not follow jobs calls no scheduler nameless",
    "168,local,scheduler,impossible=2": "a run that ended in two ways did not go on to the end",
    "1589,celery,worker,schedules=0,tick-skipped=0": "a run that was left out does not excuse itself",
    "1266,local,scheduler,ready-never=0,schedules=0": "schedulers that never came back have not caught up",
    "220,kubernetes,scheduler,schedules=2,unlisted=3": "nobody knows when its runs were made",
    "107,celery,api-server,ledger-unread=0,proof=6,schedules=0": "what was not read may have begun in time",
    "131,celery,worker,odd=8": "nobody knows which pod was hit",
    "0,celery,scheduler,kind=3,unstable=1": "a node that is back excuses nobody",
    "0,celery,scheduler,cut-short=3,odd-timetable=0,schedules=2": "what is owed is named, though its checker failed",
    "7001643,celery,none,odd=4,schedules=0": "what claims to be later than the end does not make the run longer",
    "7773,celery,api-server,schedules=1,tick-skipped=0": "nor does a run of the only DAG excuse itself",
    "8810,celery,worker,schedules=7,tick-skipped=1": "nor do two",
    "0,celery,scheduler,cut-short=0,kind=1,leave=0": "its job may have been ended after the history",
}


@cache
def worlds() -> list[World]:
    return [*singly(BOUNDS), *(draw(seed, BOUNDS) for seed in range(DRAWN))]


@cache
def written(share: int) -> list[tuple[World, Truth, History]]:
    """Made once: a mutant of the judge is then tried in a copy of this process, which need only judge."""
    found = []
    for world in worlds()[share::SHARES]:
        life, true = live(world)
        found.append((world, true, history(life, world, true.limits)))
    return found


@pytest.mark.parametrize("share", range(SHARES))
def test_the_judge_agrees_with_the_truth(share: int) -> None:
    for world, true, record in written(share):
        # A copy: what was worked out of it once says nothing of a judge that was changed since.
        wrong = disagreements(true, judge(replace(record)))
        assert not wrong, f"python -m benchmarks.worlds --world {world}\n" + "\n".join(wrong)


@pytest.mark.parametrize("name", MENDED)
def test_what_was_wrong_once_is_right(name: str) -> None:
    assert not compare(World.parse(name)).wrong


def test_a_seed_is_a_world() -> None:
    one, two = (draw(7, BOUNDS) for _ in range(2))
    assert one == two
    assert World.parse(str(one)) == one
    (first, _), (second, _) = live(one), live(two)
    assert first == second
    (_, true), (_, again) = live(one), live(two)
    assert list(lines(history(first, one, true.limits))) == list(lines(history(second, two, again.limits)))


@pytest.mark.parametrize(
    "name", ["", "1,celery", "1,none,none", "1,celery,none,slow=99", "1,celery,none,what=1", "x,celery,none"]
)
def test_what_is_no_world_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no world is called"):
        World.parse(name)


@pytest.mark.parametrize("seed", range(5))
def test_a_world_is_a_history_that_a_harness_could_have_written(seed: int, tmp_path: Path) -> None:
    world = draw(seed, BOUNDS)
    life, true = live(world)
    record = history(life, world, true.limits)
    path = tmp_path / "history.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines(record)), encoding="utf-8")
    read = History.read(path)
    assert judge(read) == judge(record)


@pytest.mark.parametrize("fault", ["none", "scheduler", "api-server", "worker"])
def test_every_bound_that_is_owed_is_measured(fault: str) -> None:
    """A new bound must be taught to the worlds: what it measures, or else a limit that nothing is near to."""
    life, true = live(World(1, "celery", fault))
    assert true.limits.keys() == set(needed(World(1, "celery", fault)))
    assert measures(life, World(1, "celery", fault)).keys() & true.limits.keys()


def test_every_way_to_go_otherwise_does_something() -> None:
    """What changes nothing, wherever it is tried, is no choice."""
    for what in ALL:
        kinds = [("celery", "scheduler"), ("celery", "none"), ("celery", "worker"), ("kubernetes", "scheduler")]
        # Work that is scheduled, an orderly end of what is hit: without it, nothing of it can go otherwise.
        with_: tuple[Twist, ...] = (Twist(SCHEDULES, "0"),) if what in SCHEDULED and what != SCHEDULES else ()
        with_ = (Twist("kind", "2"),) if what in FURTHER and what not in ("kind", "odd") else with_
        worlds = [(World(3, s, f, with_), World(3, s, f, (*with_, Twist(what, "0")))) for s, f in kinds]
        assert any(_record(plain) != _record(twisted) for plain, twisted in worlds), what


def _record(world: World) -> list[str]:
    life, true = live(world)
    return list(lines(history(life, world, true.limits)))


def _always(verdict: Verdict, record: History) -> Outcome:
    return _changed(judge(record), lambda check: check.model_copy(update={"verdict": verdict}))


def _blind_to(name: str, record: History) -> Outcome:
    return _changed(judge(record), lambda c: c.model_copy(update={"verdict": Verdict.PASS}) if c.name == name else c)


def _mismeasures(record: History) -> Outcome:
    def longer(check: Check) -> Check:
        outage = check.name == "availability.read.outage" and check.measure
        return check.model_copy(update={"measure": check.measure + 2}) if outage and check.measure else check

    return _changed(judge(record), longer)


def _changed(outcome: Outcome, change: Callable[[Check], Check]) -> Outcome:
    checks = tuple(map(change, outcome.checks))
    worst = max((check.verdict for check in checks), key=lambda verdict: verdict.rank)
    return outcome.model_copy(update={"checks": checks, "verdict": worst})


WRONG: dict[str, Callable[[History], Outcome]] = {
    "always passes": partial(_always, Verdict.PASS),
    "always fails": partial(_always, Verdict.FAIL),
    "never knows": partial(_always, Verdict.INVALID),
    "sees no lost task": partial(_blind_to, "tasks.lost"),
    "believes any proof": partial(_blind_to, "evidence.fault"),
    "measures too long": _mismeasures,
}


@pytest.mark.parametrize("judged", WRONG.values(), ids=WRONG)
def test_a_judge_that_is_wrong_is_found(judged: Callable[[History], Outcome]) -> None:
    found = [compare(world, judged) for world in worlds()[:120]]
    wrong = [each for each in found if each.wrong]
    assert wrong
    small = smallest(wrong[0], judged)
    assert small.wrong
    assert all(
        not compare(world, judged).wrong
        for world in simpler(small.world)
        if len(world.twists) < len(small.world.twists)
    )


def _tally(*truths: str, wrong: tuple[str, ...] = ()) -> Tally:
    tally = Tally()
    for number, truth in enumerate(truths):
        tally.add(Found(World(number, twists=(Twist("slow", "1"),)), truth, Verdict.PASS, wrong))
    return tally


def test_what_shares_found_adds_up() -> None:
    total = _tally("kept", "kept")
    total.merge(_tally("broken", wrong=("x is FAIL, and judged PASS: y",)))
    total.add(Found(World(5, twists=(Twist(SCHEDULES, "0"),)), "kept", Verdict.PASS, ()))
    assert (total.worlds, total.scheduled, total.disagreeing) == (4, 1, 1)
    assert total.kinds == {"x is FAIL, and judged PASS": (1, "0,celery,none,slow=1")}
    assert "| broken | 1 | 0 | 0 |" in total.table()
    assert "4 worlds, 1 with scheduled work: 1 false PASS, 0 false FAIL, 1 in which any" in total.table()


def test_a_count_goes_on_where_it_stopped_and_belongs_to_a_judge(tmp_path: Path) -> None:
    path = tmp_path / "worlds.csv"
    counted = Counted.read(path)
    assert counted.left("a", range(10, 20)) == range(10, 20)
    counted.add("a", range(10, 12), _tally("kept", "broken"))
    counted.add("a", range(12, 15), _tally("kept", "kept", "kept"))
    counted.add("b", range(15, 16), _tally("broken", wrong=("x",)))
    counted.write(path)
    assert Counted.read(path) == counted
    assert counted.ranges.keys() == {("a", 10), ("b", 15)}
    assert (counted.left("a", range(10, 20)), counted.left("b", range(10, 20))) == (range(15, 20), range(16, 20))
    assert counted.left("a", range(20, 30)) == range(20, 30)
    assert (counted.of("a").worlds, counted.of("a").disagreeing, counted.of("b").disagreeing) == (5, 0, 1)


def test_what_was_counted_is_not_judged_again(tmp_path: Path) -> None:
    path = tmp_path / "worlds.csv"
    assert [count(range(2), 1, path).worlds, count(range(3), 1, path).worlds] == [2, 1]
    assert Counted.read(path).of(judge_id()).worlds == 3


@pytest.mark.parametrize("text", ["judge\nx\n", "judge,first,last,truth\nx,1,y,kept\n", "\xff"])
def test_what_is_no_count_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "worlds.csv"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match="no count of worlds"):
        Counted.read(path)


@pytest.mark.parametrize(("number", "expected"), [(1, range(3)), (2, range(3, 6)), (3, range(6, 10))])
def test_parts_share_all_seeds(number: int, expected: range) -> None:
    assert part_of(range(10), number, 3) == expected


@pytest.mark.parametrize(("name", "code"), [("3,celery,scheduler", 0), ("3,celery,scheduler,slow=99", 64)])
def test_one_world_is_replayed_by_its_name(name: str, code: int) -> None:
    call = [sys.executable, "-m", "benchmarks.worlds", "--world", name]
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == code, done.stderr
    assert ("agree" in done.stdout) == (code == 0)

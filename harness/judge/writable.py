"""How long after the fault was a write accepted again? Only writes sent after the primary was gone count."""

from __future__ import annotations

from collections.abc import Callable

from harness.history import NS, History
from harness.judge.came import Coming, judged
from harness.judge.checks import unknown, when
from harness.judge.faults import Target, targets
from harness.judge.happened import doubts
from harness.judge.primaries import COMPONENTS, Answer, Story, Word, story
from harness.judge.replaced import UnknowableError
from harness.outcome import Check, Verdict
from harness.slo import Bound

DATABASE, BROKER = "recovery.database_writable", "recovery.broker_writable"
CUT_OFF, HANDS_OVER = "cut_off", "switch_over"
_SYSTEMS = {DATABASE: "database", BROKER: "broker"}


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    return tuple(_judge(history, bounds[name]) for name in _SYSTEMS if name in bounds)


def _judge(history: History, bound: Bound) -> Check:
    """Only what the primary's end caused is measured: the fault must have hit the primary."""
    system = _SYSTEMS[bound.name]
    told, what = story(history, system), f"The first write that the {system} accepted again"
    hit = [target for target in targets(history) if target.component == COMPONENTS[system]]
    if not hit:
        return unknown(bound, f"{what}: none of its servers was hit")
    first = min(target.injected for target in hit)
    try:
        before = told.primary(first)
        target = next(iter(t for t in hit if t.pod == before), None)
        if target is None:
            return unknown(bound, f"{what}: {before} was the primary, and was not hit")
        least, seen = _FIRST[bound.name](history, told, target)
    except UnknowableError as why:
        return unknown(bound, f"{what}: {why}")
    if seen is None and (doubtful := doubts(history) or ((history.problem,) if history.problem else ())):
        return unknown(bound, f"{what}: never seen, but {doubtful[0]}")
    at = when(first if seen is None else seen, None)
    after = f" after {before}, the primary, was hit ({at}); the last one is {told.turns()[-1]}"
    found = judged(history, bound, Coming(what, first, seen), after)
    if found.verdict is Verdict.FAIL and seen is not None and bound.holds((least - first) / NS):
        return unknown(bound, f"{what}: seen {when(seen, first)}, and not looked for since {when(least, first)}")
    return found


def _felt(target: Target, told: Story) -> int:
    """From when on no accepted write can be one that the old primary took before it felt the fault."""
    if target.action == HANDS_OVER:
        stood_down = told.stood_down(target.pod, target.injected)
        return target.silent_from if stood_down is None else stood_down
    gone = target.said.get("process_gone_t")
    return gone if isinstance(gone, int) and target.action != "hang_pods" else target.silent_from


def _by_airflow(history: History, told: Story, target: Target) -> tuple[int, int | None]:
    """Through everything in front of the database, as its users see it."""
    felt = _felt(target, told)
    written = [c for c in history.samples.columns.values() if c.series.write]
    if not written:
        raise UnknowableError("nobody wrote")
    ends = [int(c.end[good].min()) for c in written if (good := ~c.bad & (c.t >= felt)).any()]
    seen = min(ends, default=None)
    return (history.last_t if seen is None else seen), seen


def _by_itself(history: History, told: Story, target: Target) -> tuple[int, int | None]:
    """By a server that those whom everybody asks call the primary; and when it was last known not to be."""
    felt = _felt(target, told)
    every = [a for of_one in told.answers.values() for a in of_one if a.wrote and a.asked >= felt]
    kept = [a for a in every if not _for_nobody(a, target)]
    called = {w.leader: w for w in reversed(told.words) if w.came >= felt}
    both = [(max(a.came, called[a.server].came), a) for a in kept if a.server in called]
    if not both:
        return history.last_t, None
    seen, answer = min(both, key=lambda one: one[0])
    return _least(told, answer, called[answer.server], felt), seen


def _for_nobody(answer: Answer, target: Target) -> bool:
    """Whether the old primary kept it while only we could reach it, asking inside its pod."""
    over = target.over
    return target.action == CUT_OFF and answer.server == target.pod and (over is None or answer.asked < over)


def _least(told: Story, answer: Answer, word: Word, felt: int) -> int:
    before = [a.asked for a in told.answers[answer.server] if a.role and a.asked < answer.asked]
    before += [w.asked for w in told.words if w.leader != answer.server and w.came < word.came]
    return max([felt, *(t for t in before if t >= felt)])


_FIRST: dict[str, Callable[[History, Story, Target], tuple[int, int | None]]] = {
    DATABASE: _by_airflow,
    BROKER: _by_itself,
}

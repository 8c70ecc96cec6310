"""Who was the primary, and when: by those who decide it, and by what each server said of itself.

An answer was true at some moment between its question and its arrival; nothing more precise is assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from harness.errors import HistoryError
from harness.history import NS, History, Op, grouped
from harness.judge.checks import some, when
from harness.judge.faults import IN_PLACE, Target, targets
from harness.judge.replaced import UnknowableError

SYSTEMS = {"patroni": "database", "broker": "broker"}  # by the component of its servers
COMPONENTS = {system: component for component, system in SYSTEMS.items()}
PRIMARY = "primary"
ROLES = (PRIMARY, "replica", "none")
FRESH_NS = 6 * NS  # three questions, of which two went unanswered
BLIND_NS = 10 * NS  # half the time in which another primary can take over
BACK_NS = 30 * NS  # a server that hung answers this long afterwards, at the latest


@dataclass(frozen=True)
class Answer:
    """What a server said of itself. `role` is empty if it did not answer; `timeline` changes with each new primary, if
    the system has timelines."""

    server: str
    uid: str
    asked: int
    came: int
    role: str = ""
    wrote: bool = False
    timeline: str = ""


@dataclass(frozen=True)
class Word:
    """Whom one of those who decide it called the primary."""

    by: str
    asked: int
    came: int
    leader: str


@dataclass(frozen=True)
class Reign:
    """A stretch in which a server kept what it was sent, on one timeline, and never said that it is not the primary."""

    first: Answer
    last: Answer

    @property
    def server(self) -> str:
        return self.first.server

    def beside(self, other: Reign) -> bool:
        """Whether both kept something at the same time, at whatever moment their answers were true."""
        return self.first.came <= other.last.asked and other.first.came <= self.last.asked


@dataclass(frozen=True)
class Story:
    """All that was said of one system, in order."""

    system: str
    answers: dict[str, tuple[Answer, ...]] = field(default_factory=dict)
    words: tuple[Word, ...] = ()

    def reigns(self) -> list[Reign]:
        return [reign for of_one in self.answers.values() for reign in _reigns(of_one)]

    def two(self) -> list[tuple[Reign, Reign]]:
        """The pairs that reigned at the same time."""
        pairs = combinations(self.reigns(), 2)
        return [(a, b) for a, b in pairs if a.server != b.server and a.beside(b)]

    def primary(self, t: int, then: str = "when the fault came") -> str:
        """Who was the primary right before `t`, by those who decide it and by itself. Raises `UnknowableError` if they
        do not agree; `then` is that moment in words."""
        said = {word.by: word.leader for word in self.words if t - FRESH_NS <= word.asked and word.came <= t}
        leaders = sorted(set(filter(None, said.values())))
        if len(leaders) != 1:
            called = f"called {some(leaders)} the primary" if leaders else "called none the primary"
            raise UnknowableError(f"those who decide it {called} {then}")
        own = [a for a in self.answers.get(leaders[0], ()) if t - FRESH_NS <= a.asked and a.came <= t and a.role]
        if not own or own[-1].role != PRIMARY:
            itself = own[-1].role if own else "nothing"
            raise UnknowableError(f"{leaders[0]} was called the primary {then}, and said of itself: {itself}")
        return leaders[0]

    def turns(self) -> list[str]:
        """Who was the primary, one after another: by those who decide it, or by themselves if that is more."""
        return max(_turns(self._called()), _turns(self._own()), key=len)

    def _called(self) -> list[str]:
        """The leader after each word, as long as everybody's last words agree."""
        latest: dict[str, Word] = {}
        found: list[str] = []
        for word in self.words:
            latest[word.by] = word
            fresh = {one.leader for one in latest.values() if one.leader and word.came - one.came <= FRESH_NS}
            found += fresh if len(fresh) == 1 else ()
        return found

    def _own(self) -> list[str]:
        """In the order in which they began to say so: a server that was cut off still does after another took over."""
        begun = [answer for of_one in self.answers.values() for answer in _begun(of_one)]
        return [answer.server for answer in sorted(begun, key=lambda a: a.came)]

    def in_the_end(self) -> list[str]:
        """Who called itself the primary when last heard."""
        last = {server: [a.role for a in of_one if a.role][-1:] for server, of_one in self.answers.items()}
        return sorted(server for server, role in last.items() if role == [PRIMARY])

    def stood_down(self, server: str, since: int) -> int | None:
        """When a server, asked at `since` or later, first said that it is not the primary."""
        later = (a.came for a in self.answers.get(server, ()) if a.asked >= since and a.role not in ("", PRIMARY))
        return min(later, default=None)


def stories(history: History) -> dict[str, Story]:
    """By system. Raises `HistoryError` if an answer is malformed; call it through `history.once`."""
    mine = grouped((op for op in history.ops if op.process in COMPONENTS), lambda op: op.process)
    return {system: _story(system, mine.get(system, ())) for system in COMPONENTS}


def story(history: History, system: str) -> Story:
    return history.once(stories)[system]


def unheard(history: History, told: Story) -> str | None:
    """Why something in this system may have gone unheard. None if each server answered, or could not have done anything
    that nobody saw."""
    servers = (history.meta.replicas if history.meta else {}).get(COMPONENTS[told.system], 0)
    if not told.answers or len(told.answers) < servers:
        return f"{len(told.answers)} servers of the {told.system} were asked what they are, of {max(servers, 1)}"
    for server, answers in sorted(told.answers.items()):
        mine = [target for target in targets(history) if target.pod == server]
        for since, until in _gaps(answers, history.last_t):
            if until - since > BLIND_NS and not any(_excused(target, since, until) for target in mine):
                return f"{server} did not say what it is for {(until - since) / NS:.0f} s, from {when(since, None)} on"
    return None


def deaf(told: Story) -> str | None:
    """Why it is not known whom those who decide called the primary, or None."""
    if not told.words:
        return f"nobody said who the primary of the {told.system} is"
    gaps = [(a.came, b.asked) for a, b in pairwise(told.words) if b.asked - a.came > BLIND_NS]
    if gaps:
        since, until = gaps[0]
        return f"nobody said who the primary is for {(until - since) / NS:.0f} s, from {when(since, None)} on"
    return None


def _excused(target: Target, since: int, until: int) -> bool:
    """Whether a fault explains a server's silence. One that hung must answer soon after, since it may go on as it was
    before."""
    over = target.over if target.over is not None else until
    if not target.injected - FRESH_NS <= since <= over:
        return False
    return target.action not in IN_PLACE or until <= over + BACK_NS


def _gaps(answers: Sequence[Answer], end: int) -> list[tuple[int, int]]:
    """From when one answer came until the next was asked for, and before the first and after the last of them."""
    known = [answer for answer in answers if answer.role]
    if not known:
        return [(answers[0].asked, end)]
    edges = [(answers[0].asked, known[0].asked), (known[-1].came, answers[-1].asked)]
    return [*edges, *((a.came, b.asked) for a, b in pairwise(known))]


def _reigns(answers: Sequence[Answer]) -> list[Reign]:
    found: list[Reign] = []
    going: list[Answer] = []
    for answer in answers:
        another = answer.wrote and bool(going) and (answer.uid, answer.timeline) != (going[-1].uid, going[-1].timeline)
        if going and (another or answer.role not in ("", PRIMARY)):
            found.append(Reign(going[0], going[-1]))
            going = []
        if answer.wrote:
            going.append(answer)
    return found + ([Reign(going[0], going[-1])] if going else [])


def _begun(answers: Sequence[Answer]) -> list[Answer]:
    """The answers with which a server began to call itself the primary."""
    known = [answer for answer in answers if answer.role]
    return [a for before, a in pairwise([None, *known]) if a and a.role == PRIMARY != (before and before.role)]


def _turns(leaders: Sequence[str]) -> list[str]:
    return [one for number, one in enumerate(leaders) if number == 0 or one != leaders[number - 1]]


def _story(system: str, ops: Sequence[Op]) -> Story:
    answers = [_answer(op) for op in ops if op.f == "role"]
    words = [_word(op) for op in ops if op.f == "leader" and op.type == "ok"]
    return Story(system, grouped(answers, lambda answer: answer.server), tuple(words))


def _answer(op: Op) -> Answer:
    server, role, wrote = _text(op, "server"), "", False
    if op.type == "ok":
        role, wrote = _text(op, "role"), op.value.get("wrote") is True
        if role not in ROLES:
            raise HistoryError(f"{server} of the {op.process} cannot be {role!r}")
        wrote = wrote and role == PRIMARY
    uid, timeline = (said if isinstance(said := op.value.get(key), str) else "" for key in ("uid", "timeline"))
    return Answer(server, uid, _asked(op), op.t, role, wrote, timeline)


def _word(op: Op) -> Word:
    return Word(_text(op, "by"), _asked(op), op.t, _text(op, "leader"))


def _text(op: Op, key: str) -> str:
    said = op.value.get(key)
    if not isinstance(said, str):
        raise HistoryError(f"an answer about the {op.process} has {said!r} for {key}")
    return said


def _asked(op: Op) -> int:
    asked = op.value.get("asked")
    if isinstance(asked, bool) or not isinstance(asked, int) or not 0 <= asked <= op.t:
        raise HistoryError(f"an answer about the {op.process} says that it was asked for at {asked!r}")
    return asked

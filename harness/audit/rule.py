"""A rule of the audit, its findings about a deployment, and how all rules are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from harness.audit.deployment import Deployment


class Word(StrEnum):
    """The answer of a rule at one place."""

    HOLDS = "holds"
    BROKEN = "to do"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Said:
    """One place, and what was seen there."""

    where: str
    word: Word
    what: str


def holds(where: str, what: str) -> Said:
    return Said(where, Word.HOLDS, what)


def broken(where: str, what: str) -> Said:
    return Said(where, Word.BROKEN, what)


def unknown(where: str, what: str) -> Said:
    return Said(where, Word.UNKNOWN, what)


def either(good: bool, where: str, fine: str, bad: str) -> Said:
    return holds(where, fine) if good else broken(where, bad)


Ask = Callable[[Deployment], Iterable[Said]]


@dataclass(frozen=True)
class Rule:
    """`outage` is what would happen, `change` a piece of the official chart's values.yaml that fixes it, and
    `experiment` the one that shows it (empty if none does). `reads` are kinds without which nothing can be said."""

    name: str
    title: str
    outage: str
    change: str
    experiment: str
    reads: tuple[str, ...]
    ask: Ask


@dataclass(frozen=True)
class Finding:
    """What one rule says about one place."""

    rule: Rule
    said: Said


class Book:
    """Rules in the order in which they were defined."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def rule(
        self, name: str, title: str, *, outage: str, change: str, experiment: str = "", reads: tuple[str, ...] = ()
    ) -> Callable[[Ask], Ask]:
        """Enter a function as a rule."""

        def enter(ask: Ask) -> Ask:
            self.rules.append(Rule(name, title, outage, change, experiment, reads, ask))
            return ask

        return enter


def examine(rules: Iterable[Rule], deployment: Deployment) -> Iterator[Finding]:
    """Ask each rule. One that does not apply says nothing, and one that cannot read what it needs says so."""
    for rule in rules:
        lacks = [
            f"{kind}s cannot be listed: {deployment.unseen[kind]}" for kind in rule.reads if kind in deployment.unseen
        ]
        for said in [unknown("the namespace", lacks[0])] if lacks else rule.ask(deployment):
            yield Finding(rule, said)

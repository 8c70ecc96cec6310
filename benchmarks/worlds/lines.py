"""A history that was made in memory, as the lines that a harness writes."""

from __future__ import annotations

from collections.abc import Iterator

from harness.history import End, History, Record


def records(history: History) -> list[Record]:
    """All of them, in order; a history that was cut short has no end."""
    rest = [*history.samples, *history.ops, *history.marks, *history.scheduled_marks]
    rest += [*history.faults, *history.events, *history.phases]
    ends = [] if history.problem else [End(t=history.last_t, complete=True)]
    first = [history.meta] if history.meta else []
    return [*first, *sorted(rest, key=lambda record: record.t), *ends]


def lines(history: History) -> Iterator[str]:
    return (record.model_dump_json(by_alias=True) for record in records(history))

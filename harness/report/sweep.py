"""The page of a sweep, a map of the stack with what came of each victim; and the tables of it in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from harness.errors import UsageError
from harness.foreign import markdown as plain
from harness.outcome import Verdict
from harness.report import pages
from harness.swept import Place, Sweep, Trial, headline

BEGIN, END = "<!-- sweep: made by harness sweep --publish -->", "<!-- /sweep -->"
NONE = "No sweep is recorded yet."
LINE = "| --- | --- | --- | --- | --- | --- |"
HEAD = f"| victim | on | verdict | longest outage | until back as before | checks not passed |\n{LINE}"


def _seconds(value: float | None) -> str:
    """Three digits are enough for a time that was measured once."""
    return "–" if value is None else f"{value:.3g} s"


@dataclass(frozen=True)
class Box:
    """A victim, or a pod on a node that is one; `word` gives its colour, and is empty if nothing can be said of it."""

    name: str
    component: str
    duty: str
    node: str
    word: str
    link: str
    outage: float | None
    back: float | None
    bad: tuple[str, ...]
    because: str

    @property
    def outage_s(self) -> str:
        return _seconds(self.outage)

    @property
    def back_s(self) -> str:
        return _seconds(self.back)

    @property
    def said(self) -> str:
        return f"{self.name}: {self.because or self.word or 'not hit'}"


@dataclass(frozen=True)
class Column:
    """A node with the pods that were on it at first; `box` if it is a victim itself."""

    name: str
    box: Box | None
    pods: tuple[Box, ...]


def page(sweep: Sweep) -> str:
    """All of it, escaped, in one file; its links lead to the runs beside it."""
    boxes = [box(sweep, place) for place in sweep.there]
    return pages.render(
        "sweep.html.j2",
        sweep=sweep,
        verdict=sweep.verdict,
        headline=headline(sweep),
        columns=columns(sweep, boxes),
        boxes=boxes,
        worst=_seconds(max((b.outage for b in boxes if b.outage is not None), default=None)),
    )


def box(sweep: Sweep, place: Place) -> Box:
    """A victim with the trial that its verdict comes from, and the worst that was measured in any."""
    verdict, trials = sweep.verdict_of(place), sweep.of(place)
    last = _decisive(trials, verdict)
    duties = [trial.hit.duty for trial in trials if trial.hit and trial.hit.duty]
    return Box(
        name=place.name.partition("/")[2] or place.name,
        component=place.component,
        duty=(duties or [place.duty])[-1],
        node=place.node,
        word=verdict.value if verdict else "",
        link=f"{quote(last.run_id)}/report.html" if last and last.run_id else "",
        outage=max((t.outage for t in trials if t.outage is not None), default=None),
        back=max((t.back for t in trials if t.back is not None), default=None),
        bad=(last.failed or last.doubted) if last else (),
        because=last.because if last else "",
    )


def _decisive(trials: Sequence[Trial], verdict: Verdict | None) -> Trial | None:
    return next((trial for trial in reversed(trials) if trial.verdict is verdict), None)


def columns(sweep: Sweep, boxes: Sequence[Box]) -> list[Column]:
    """The stack by node: every pod stands on one, victim or not."""
    of_node = {b.name: b for b in boxes} if sweep.what == "nodes" else {}
    pods = boxes if sweep.what == "pods" else [_only_there(place) for place in sweep.pods]
    names = sorted({*of_node, *(place.node for place in sweep.pods)})
    return [
        Column(
            name=name,
            box=of_node.get(name),
            pods=tuple(sorted((b for b in pods if b.node == name), key=lambda b: (b.component, b.name))),
        )
        for name in names
    ]


def _only_there(place: Place) -> Box:
    name = place.name.partition("/")[2] or place.name
    return Box(name, place.component, place.duty, place.node, "there", "", None, None, (), "stood here at first")


def markdown(sweeps: Sequence[Sweep]) -> str:
    """The page of all published sweeps."""
    lines = [
        "# May any one die?",
        "",
        "Each pod of a stack is killed in turn, and each worker node is switched off and on again, while runs and",
        "requests go on; all are judged by the same bounds ([any-one-pod](experiments/any.md#any-one-pod),",
        "[any-one-node](experiments/any.md#any-one-node)). Made by `harness sweep --publish`; do not edit.",
        "",
    ]
    for sweep in sweeps:
        lines += _section(sweep)
    return "\n".join(lines if sweeps else [*lines, NONE]).rstrip() + "\n"


def _section(sweep: Sweep) -> list[str]:
    boxes = [box(sweep, place) for place in sweep.there]
    when = f"{pages.date(sweep.wall)} UTC, {sweep.version}"
    lines = [f"## {sweep.what.capitalize()} of {sweep.stack}", "", f"**{sweep.verdict}** {plain(headline(sweep))}"]
    lines += ["", f"Begun {plain(when)}.", "", HEAD, *map(_row, boxes), ""]
    if sweep.left_out:
        lines += ["Not hit, by intent:", ""]
        lines += [f"- `{one.name}`: {plain(one.because)}" for one in sweep.left_out] + [""]
    return lines


def _row(one: Box) -> str:
    who = f"`{one.name}`{f' ({plain(one.duty)})' if one.duty else ''}"
    bad = ", ".join(f"`{name}`" for name in one.bad) or plain(one.because)
    return f"| {' | '.join((who, one.node, one.word or 'not hit', one.outage_s, one.back_s, bad))} |"


def brief(sweeps: Sequence[Sweep]) -> str:
    """A row for each stack, for the first screen."""
    if not sweeps:
        return f"{NONE}\n"
    cells = {(sweep.stack, sweep.what): _cell(sweep) for sweep in sweeps}
    stacks = sorted({sweep.stack for sweep in sweeps})
    rows = [f"| `{stack}` | {cells.get((stack, 'pods'), '')} | {cells.get((stack, 'nodes'), '')} |" for stack in stacks]
    return "\n".join(["| stack | any one pod | any one node |", "| --- | --- | --- |", *rows, ""])


def _cell(sweep: Sweep) -> str:
    boxes = [box(sweep, place) for place in sweep.there]
    may = [b for b in boxes if b.word == Verdict.PASS]
    may_not = [f"`{b.name}`" for b in boxes if b.word == Verdict.FAIL]
    unknown = len(boxes) - len(may) - len(may_not)
    worst = max((b.outage for b in may if b.outage is not None), default=None)
    said = f"{sweep.verdict}: {len(may)} of {len(boxes)} may die"
    said += f", at the cost of {_seconds(worst)} at most" if worst is not None else ""
    said += f"; not {', '.join(may_not)}" if may_not else ""
    return f"{said}; of {unknown} nothing can be said" if unknown else said


def within(text: str, table: str) -> str:
    """The page with the table in the place marked for it. Raises `UsageError` if there is none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UsageError(f"the page has no place for the sweeps; put {BEGIN} and {END} into it")
    return f"{before}{BEGIN}\n{table.rstrip()}\n{END}{after}"

"""The files in `docs/experiments/`: a page for each target, an index, the default bounds, and the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from harness import experiment as experiments
from harness import sources
from harness.catalogue.curves import Row, curve
from harness.catalogue.measured import Measured
from harness.catalogue.section import DEFAULTS, Place, Sources, linked, places, section
from harness.catalogue.targets import TARGETS, Target, at, by_kind, of, related
from harness.errors import StorageError
from harness.experiment import Experiment
from harness.files import write
from harness.judge.checks import amount
from harness.settings import Profile
from harness.slo import CATALOGUE, Bound, every, stacks

MADE = ["Made by `harness catalogue`; do not edit.", ""]
HEAD = ["| bound | what is measured | limit | origin of the limit |", "| --- | --- | --- | --- |"]
Places = Mapping[str, Sequence[Place]]


def files(folder: Path, slo_file: Path, measured: Measured) -> dict[str, str]:
    """Name → text of every file."""
    found = [experiments.load(path) for path in sources.files(folder)]
    pages = {one.name: of(one.plan.component).page for one in found}
    read = Sources.read(slo_file, measured)
    where = {one.name: places(one, read) for one in found}
    made = {target.page: _target(target, found, where, pages) for target in TARGETS if at(found, target)}
    made["index.md"] = _index(found, where, pages)
    made[DEFAULTS] = _defaults(slo_file, pages)
    for one in found:
        if rows := _rows(where[one.name]):
            made[f"{one.name}.svg"] = curve(one.name, rows)
    return made


def publish(made: Mapping[str, str], folder: Path) -> None:
    """Write the files, and remove pages and pictures that are no longer made. Raises `StorageError`."""
    for name, text in made.items():
        write(folder / name, text)
    try:
        for path in folder.iterdir():
            if path.suffix in (".md", ".svg") and path.name not in made:
                path.unlink()
    except OSError as cause:
        raise StorageError.of(cause, folder) from cause


def _rows(there: Sequence[Place]) -> list[Row]:
    return [
        Row(place.label.replace("`", ""), place.main, place.seen)
        for place in there
        if place.main and any(place.main.name in run.measures for run in place.seen)
    ]


def _target(target: Target, found: Sequence[Experiment], where: Places, pages: Mapping[str, str]) -> str:
    lines = [f"# {target.title}", "", *MADE, target.lead, ""]
    if elsewhere := related(found, target):
        links = ", ".join(f"[{one.name}]({pages[one.name]}#{one.name})" for one in elsewhere)
        lines += [f"See also: {links}.", ""]
    for one in at(found, target):
        lines += section(one, where[one.name], pages)
    return _text(lines)


def _index(found: Sequence[Experiment], where: Places, pages: Mapping[str, str]) -> str:
    lines = ["# Experiments", "", *MADE]
    lines += [
        "Each breaks one thing while DAG runs and requests go on, on the stacks named here. Its page says what is hit,"
        " how that is proved, and what the last runs measured against each bound. Bounds that all share are explained"
        f" once, under [default bounds]({DEFAULTS}).",
        "",
    ]
    for target in TARGETS:
        if here := at(found, target):
            lines += [f"## [{target.title}]({target.page})", "", "| experiment | what it breaks | last runs |"]
            lines += ["| --- | --- | --- |", *(_entry(one, target, where[one.name]) for one in here), ""]
    lines += ["## By kind of fault", "", "| what is | experiments |", "| --- | --- |"]
    for kind, some in by_kind(found).items():
        lines.append(f"| {kind} | {', '.join(f'[{one.name}]({pages[one.name]}#{one.name})' for one in some)} |")
    return _text(lines)


def _entry(one: Experiment, target: Target, there: Sequence[Place]) -> str:
    runs = " · ".join(f"{place.label}: {place.runs}" for place in there)
    return f"| [{one.name}]({target.page}#{one.name}) | {one.raw['title']} | {runs} |"


def _defaults(slo_file: Path, pages: Mapping[str, str]) -> str:
    lines = ["# Default bounds", "", *MADE]
    lines += [
        "An experiment that owes one of these bounds and sets no limit of its own has this one (`every` in `slo.yaml`)."
        " A stack may have defaults of its own.",
        "",
    ]
    told: dict[str, str] = {}
    for profile in get_args(Profile):
        for stack in ("", *stacks(slo_file, profile)):
            bounds = every(slo_file, profile, stack)
            title = f"{profile} on {stack}" if stack else profile
            rows = [_bound(bound, pages) for _, bound in sorted(bounds.items())]
            first = told.setdefault("\n".join(rows), title)
            if bounds:
                lines += [f"## {title}", "", *([*HEAD, *rows] if first == title else [f"The same as for {first}."]), ""]
    return _text(lines)


def _bound(bound: Bound, pages: Mapping[str, str]) -> str:
    kind = CATALOGUE[bound.name]
    limit = f"{bound.sense} {amount(bound.limit, bound.unit)}"
    return f"| {bound.name} | {kind.meaning} | {limit} | {linked(bound.origin, pages)} |"


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"

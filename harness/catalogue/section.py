"""One experiment on its page: what it breaks, how that is proved, its bounds on each stack, and its last runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from harness import known
from harness.bounds import owed
from harness.catalogue.measured import Figures, Measured
from harness.experiment import Experiment, Plan
from harness.judge.checks import amount
from harness.known import Known
from harness.outcome import Verdict
from harness.report.matrix import main
from harness.safety import NOTHING
from harness.settings import ROOT, Profile, Settings
from harness.sight import smallest
from harness.slo import Bound, every, own, stacks

GONE = "uid and process gone"
PROOFS = {
    "kill_pods": GONE,
    "delete_pods": GONE,
    "evict_pods": f"the API's answer to each eviction; {GONE}",
    "drain_node": f"the API's answer to each eviction; {GONE}",
    "renew_pods": GONE,
    "rotate_secret": f"{GONE}; every new pod has the new value, by its hash",
    "upgrade": f"{GONE}; the database's revision, what is installed in each pod and what each api-server answers",
    "load_at": GONE,
    "pile_up": "none, for it is no fault",
    "overload": "by the ledger, a run waited so long for its first task",
    "scale_pods": f"replicas Ready; {GONE}, for those that go",
    "crash_pods": "process gone",
    "hang_pods": "every process seen stopped",
    "stop_node": "off for its engine, not Ready for the cluster",
    "cut_off": "packets dropped",
    "switch_over": "another primary, by Patroni's note and by the servers' own word",
    "back_up": "none, for it is no fault",
    "lose_and_restore": "process and files gone; the same database on a timeline that begins where its archive ends",
    "kill_child": "process gone",
    "stop_announcing_node": "off for its engine, not Ready for the cluster",
    "close_nodes": "a pod seen without a node for a second",
}
KNOWN = ROOT / "known.yaml"
DEFAULTS = "default-bounds.md"


@dataclass(frozen=True)
class Place:
    """One experiment on one stack and profile.

    `own` names its own bounds, `of_stack` the defaults of this stack alone. `seen` are its last runs, oldest first,
    `together` sums them up, and `known` is a FAIL that is not ours.
    """

    there: Settings
    bounds: Mapping[str, Bound]
    own: frozenset[str]
    of_stack: frozenset[str]
    seen: Sequence[Figures]
    together: Figures | None
    known: Known | None

    @property
    def label(self) -> str:
        return f"`{self.there.stack}`" + ("" if self.there.profile == "tuned" else f", {self.there.profile}")

    @property
    def main(self) -> Bound | None:
        """The bound on its main measure."""
        return self.bounds.get(main(self.bounds))

    @property
    def runs(self) -> str:
        """How the last runs ended, counted."""
        count = self.together.verdicts if self.together else {}
        return ", ".join(f"{count[verdict]} {verdict}" for verdict in Verdict if verdict in count) or "not run yet"


@dataclass(frozen=True)
class Sources:
    """What the pages are made from, read once. `of_stack` names the default bounds of each stack alone."""

    slo_file: Path
    measured: Measured
    of_stack: Mapping[tuple[Profile, str], frozenset[str]]
    known: Mapping[str, Mapping[str, Known]]

    @classmethod
    def read(cls, slo_file: Path, measured: Measured, known_file: Path = KNOWN) -> Sources:
        """Raises `UsageError` if a file is not valid."""
        every_stack = [(profile, stack) for profile in get_args(Profile) for stack in stacks(slo_file, profile)]
        of_stack = {(profile, stack): frozenset(every(slo_file, profile, stack)) for profile, stack in every_stack}
        return cls(slo_file, measured, of_stack, known.every(known_file))


def places(one: Experiment, read: Sources) -> list[Place]:
    """Each stack and profile that has bounds for the experiment."""
    found = []
    for (profile, stack), of_stack in read.of_stack.items():
        if stack in stacks(read.slo_file, profile, one.name):
            there = Settings(stack=stack, profile=profile, slo_file=read.slo_file)
            at = there.deployment
            place = Place(
                there=there,
                bounds=owed(one, there),
                own=own(read.slo_file, at, one.name),
                of_stack=of_stack,
                seen=read.measured.last(one.name, at),
                together=read.measured.seen(one.name, at),
                known=read.known.get(one.name, {}).get(at),
            )
            found.append(place)
    return found


def section(one: Experiment, there: Sequence[Place], pages: Mapping[str, str]) -> list[str]:
    """The section in Markdown. `pages` is experiment → page, for what origins refer to."""
    plan, raw = one.plan, one.raw
    lines = [f"## {one.name}", "", f"**{raw['title']}.** {raw['description']}", ""]
    lines += [f"- Breaks: {_step(step)}" for step in raw["method"]] or ["- Breaks: nothing"]
    lines += [f"- May hit at most: {_reach(plan)}"] if plan.blast != NOTHING else []
    elsewhere = [(name, _lives(plan.at(name))) for name in plan.on]
    lines += [_lives(plan), *(f"{lives}, on `{name}`" for name, lives in elsewhere if lives != _lives(plan))]
    lines += [_sees(plan), ""]
    if any(place.seen for place in there):
        lines += [f"![The main measure of {one.name} in its last runs]({one.name}.svg)", ""]
    told: dict[tuple[str, float, str], str] = {}
    for place in there:
        lines += _bounds(place, told, pages)
    return lines


def linked(text: str, pages: Mapping[str, str]) -> str:
    """A text that refers to experiments and documents by name, with links to them."""
    names = "|".join(sorted((re.escape(name) for name in pages if "-" in name), key=len, reverse=True))
    text = re.sub(r"\b(?:docs/)([\w-]+\.md)", r"[\1](../\1)", text)
    if not names:
        return text
    return re.sub(rf"(?<![\w./-])({names})(?![\w-])", lambda hit: f"[{hit[1]}]({pages[hit[1]]}#{hit[1]})", text)


def _reach(plan: Plan) -> str:
    """The blast radius, and that of each stack with another."""
    brake = [f"ended at {plan.brake}"] if plan.brake else []
    return "; ".join(
        [str(plan.blast), *brake, *(f"on `{name}` {on.blast}" for name, on in plan.on.items() if on.blast)]
    )


def _lives(plan: Plan) -> str:
    phases = plan.phases
    writes = f", a triggered run of `{plan.writer.dag}` every {plan.writer.every_s:g} s" if plan.writer else ""
    written = sum(t.rate_hz * len(t.conn) for t in plan.probe.writes)
    of_these = f", {written:g} of them writes" if written else ""
    return (
        f"- Goes: {phases.baseline_s:g} s of baseline, the fault, {phases.recovery_s:g} s of recovery; a run of"
        f" `{plan.workload.dag}` every {plan.workload.every_s:g} s{writes}, {plan.probe.rate_hz:g} requests/s{of_these}"
    )


def _sees(plan: Plan) -> str:
    found = []
    for word, writes in (("reads", False), ("writes", True)):
        whole, half = smallest(plan, write=writes), smallest(plan, write=writes, share=0.5)
        if whole is not None and half is not None:
            found.append(f"{word} that fail for {whole:.2f} s, or half of them for {half:.2f} s")
    return f"- [Sees](../judging.md#the-smallest-defect-that-a-load-can-see), with 95 %: {'; '.join(found)}"


def _step(step: dict[str, Any]) -> str:
    provider = step["provider"]
    aims = ", ".join(f"{name} `{value}`" for name, value in provider.get("arguments", {}).items())
    return f"{step['name']} (`{provider['func']}`: {aims}); proof: {PROOFS[provider['func']]}"


def _bounds(place: Place, told: dict[tuple[str, float, str], str], pages: Mapping[str, str]) -> list[str]:
    """Its own bounds with their origins, each told once; then the default bounds."""
    since = f" (the last: {place.together.last_run})" if place.together else ""
    columns = f"| {place.label} | limit |{' median | worst |' if place.seen else ''} origin of the limit |"
    lines = [
        f"Last runs on {place.label}: {place.runs}{since}.",
        "",
        *_known(place),
        columns,
        "| --- " * (columns.count("|") - 1) + "|",
    ]
    for name in sorted(place.own & place.bounds.keys()):
        bound = place.bounds[name]
        first = told.setdefault((name, bound.limit, bound.origin), place.label)
        origin = linked(bound.origin, pages) if first == place.label else f"as on {first}"
        lines.append(f"{_figures(name, place)} {origin} |")
    return [*lines, "", *_shared(place)]


def _known(place: Place) -> list[str]:
    """A FAIL that is known, and not ours."""
    told = place.known
    return [f"Known: {', '.join(sorted(told.checks))} ([issue]({told.issue})). {told.because}", ""] if told else []


def _shared(place: Place) -> list[str]:
    """The default bounds, folded; if nothing has been measured yet, only their number."""
    names = sorted(place.bounds.keys() - place.own)
    if not names or not place.seen:
        where = f"[default bounds]({DEFAULTS}#{place.there.profile})"
        return [f"And {len(names)} {where}.", ""] if names else []
    lines = ['<details markdown="1">', f"<summary>and {len(names)} default bounds</summary>", ""]
    lines += ["| default bound | limit | median | worst |", "| --- | --- | --- | --- |"]
    return [*lines, *(_figures(name, place, _why(name, place)) for name in names), "", "</details>", ""]


def _why(name: str, place: Place) -> str:
    """The name, linked to what the page of default bounds says about it."""
    there = place.there
    part = f"{there.profile}-on-{there.stack}" if name in place.of_stack else there.profile
    return f"[{name}]({DEFAULTS}#{part})"


def _figures(name: str, place: Place, shown: str = "") -> str:
    bound = place.bounds[name]
    pair = place.together.measures.get(name) if place.together else None
    middle, worst = (amount(value, bound.unit) for value in pair) if pair else ("", "")
    measured = f" {middle} | {worst} |" if place.seen else ""
    return f"| {shown or name} | {bound.sense} {amount(bound.limit, bound.unit)} |{measured}"

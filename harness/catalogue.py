"""The catalogue of experiments, as a page: what each breaks, its proof, its bounds, and what was measured last.

The page is made of `experiments/`, `slo.yaml` and `docs/measured.json` alone, so anybody gets the same one. The last of
the three is made of recorded runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, RootModel

from harness import experiment as experiments
from harness import sources
from harness.bounds import owed
from harness.errors import UsageError
from harness.experiment import Experiment, Plan
from harness.files import write
from harness.judge.checks import amount
from harness.outcome import Outcome, Verdict
from harness.safety import NOTHING
from harness.settings import Profile, Settings
from harness.sight import smallest
from harness.slo import CATALOGUE, Bound, stacks

LAST_RUNS = 5
GONE = "uid and process gone"
PROOFS = {
    "kill_pods": GONE,
    "delete_pods": GONE,
    "evict_pods": f"the API's answer to each eviction; {GONE}",
    "drain_node": f"the API's answer to each eviction; {GONE}",
    "renew_pods": GONE,
    "load_at": GONE,
    "pile_up": "none, for it is no fault",
    "overload": "by the ledger, a run waited so long for its first task",
    "scale_pods": f"replicas Ready; {GONE}, for those that go",
    "crash_pods": "process gone",
    "hang_pods": "every process seen stopped",
    "stop_node": "off for its engine, not Ready for the cluster",
    "cut_off": "packets dropped",
    "kill_child": "process gone",
    "stop_announcing_node": "off for its engine, not Ready for the cluster",
    "close_nodes": "a pod seen without a node for a second",
}


class Figures(BaseModel):
    """What one run came to, or some that were summed up together; of each measure the median and the worst."""

    model_config = ConfigDict(frozen=True)

    last_run: str
    verdicts: dict[Verdict, int]
    measures: dict[str, tuple[float, float]]


class Measured(RootModel[dict[str, dict[str, tuple[Figures, ...]]]]):
    """Experiment → stack → figures of its last runs, the oldest first."""

    def seen(self, experiment: str, stack: str) -> Figures | None:
        """The last runs of one experiment on one stack as one; those that were summed up count with their median."""
        some = self.root.get(experiment, {}).get(stack, ())
        return _together(some) if some else None


def added(known: Measured, outcomes: Iterable[Outcome]) -> Measured:
    """Take in runs, each once; of each experiment on each stack the last ones stay, by the time in their ids."""
    cells: dict[str, dict[str, dict[str, Figures]]] = {}
    for name, of in known.root.items():
        cells[name] = {stack: {one.last_run: one for one in some} for stack, some in of.items()}
    for outcome in outcomes:
        cell = cells.setdefault(outcome.experiment, {}).setdefault(outcome.stack, {})
        cell[outcome.run_id] = _figures(outcome)
    last = {name: {stack: _last(cell) for stack, cell in sorted(of.items())} for name, of in sorted(cells.items())}
    return Measured(last)


def _last(cell: dict[str, Figures]) -> tuple[Figures, ...]:
    return tuple(cell[run] for run in sorted(cell)[-LAST_RUNS:])


def _figures(run: Outcome) -> Figures:
    known = {c.name: round(c.measure, 3) for c in run.checks if c.measure is not None and c.name in CATALOGUE}
    measures = {name: (value, value) for name, value in sorted(known.items())}
    return Figures(last_run=run.run_id, verdicts={run.verdict: 1}, measures=measures)


def _together(some: Sequence[Figures]) -> Figures:
    middles: dict[str, list[float]] = {}
    worst: dict[str, float] = {}
    verdicts: Counter[Verdict] = Counter()
    for one in some:
        verdicts.update(one.verdicts)
        for name, (middle, most) in one.measures.items():
            middles.setdefault(name, []).extend([middle] * sum(one.verdicts.values()))
            pick = max if CATALOGUE[name].sense == "at most" else min
            worst[name] = pick(worst.get(name, most), most)
    measures = {name: (round(median(of), 3), worst[name]) for name, of in middles.items()}
    return Figures(last_run=some[-1].last_run, verdicts=verdicts, measures=measures)


def collect(known: Measured, reports: Path, names: Iterable[str]) -> Measured:
    """Take in all judged runs of these experiments in a folder; what cannot be read is passed over."""
    outcomes = []
    for path in sorted(reports.glob("*/verdict.json")):
        try:
            outcomes.append(Outcome.load(path))
        except UsageError:
            continue
    there = set(names)
    return added(known, (o for o in outcomes if o.experiment in there))


def read(path: Path) -> Measured:
    """The figures as they were kept. Raises `UsageError` where the file is not what it must be."""
    try:
        return Measured.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise UsageError(f"{path.name} cannot be read: {cause}; make it with harness catalogue --measured") from cause


def keep(measured: Measured, path: Path) -> None:
    write(path, measured.model_dump_json(indent=1) + "\n")


def page(folder: Path, slo_file: Path, measured: Measured) -> str:
    """The page in Markdown: one section an experiment, by name."""
    found = [experiments.load(path) for path in sources.files(folder)]
    lines = ["# Experiments", "", "Made by `harness catalogue`; not to be edited.", ""]
    for one in found:
        lines += _section(one, slo_file, measured)
    return "\n".join(lines).rstrip() + "\n"


def _section(one: Experiment, slo_file: Path, measured: Measured) -> list[str]:
    plan, raw = one.plan, one.raw
    lines = [f"## {one.name}", "", f"**{raw['title']}.** {raw['description']}", ""]
    lines += [f"- Breaks: {_step(step)}" for step in raw["method"]] or ["- Breaks: nothing"]
    lines += [f"- May hit: {_reach(plan)}"] if plan.blast != NOTHING else []
    elsewhere = [(name, _lives(plan.at(name))) for name in plan.on]
    lines += [_lives(plan), *(f"{lives}, on `{name}`" for name, lives in elsewhere if lives != _lives(plan))]
    lines += [_sees(plan), ""]
    for profile in get_args(Profile):
        for stack in stacks(slo_file, profile, one.name):
            lines += _bounds(one, Settings(stack=stack, profile=profile, slo_file=slo_file), measured)
    return lines


def _reach(plan: Plan) -> str:
    """The blast radius, and those of stacks that have another."""
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
        f"- Lives: {phases.baseline_s:g} s of baseline, the fault, {phases.recovery_s:g} s of recovery; a run of"
        f" `{plan.workload.dag}` every {plan.workload.every_s:g} s{writes}, {plan.probe.rate_hz:g} requests/s{of_these}"
    )


def _sees(plan: Plan) -> str:
    """What each load can see at the least (docs/judging.md)."""
    found = []
    for word, writes in (("reads", False), ("writes", True)):
        whole, half = smallest(plan, write=writes), smallest(plan, write=writes, share=0.5)
        if whole is not None and half is not None:
            found.append(f"{word} that fail for {whole:.2f} s, or half of them for {half:.2f} s")
    return f"- Sees, with 95 %: {'; '.join(found)}"


def _step(step: dict[str, Any]) -> str:
    provider = step["provider"]
    aims = ", ".join(f"{name} `{value}`" for name, value in provider.get("arguments", {}).items())
    return f"{step['name']} (`{provider['func']}`: {aims}); proof: {PROOFS[provider['func']]}"


def _bounds(one: Experiment, there: Settings, measured: Measured) -> list[str]:
    seen = measured.seen(one.name, there.deployment)
    runs = ", ".join(f"{count} {verdict}" for verdict, count in seen.verdicts.items()) if seen else "not run yet"
    since = f" (the last: {seen.last_run})" if seen else ""
    head = f"| `{there.stack}`, {there.profile} | limit | median | worst | origin of the limit |"
    lines = [f"Last runs on `{there.deployment}`: {runs}{since}.", "", head, "| --- | --- | --- | --- | --- |"]
    return [*lines, *(_row(bound, seen) for _, bound in sorted(owed(one, there).items())), ""]


def _row(bound: Bound, seen: Figures | None) -> str:
    pair = seen.measures.get(bound.name) if seen else None
    middle, worst = (amount(value, bound.unit) for value in pair) if pair else ("", "")
    return f"| {bound.name} | {bound.sense} {amount(bound.limit, bound.unit)} | {middle} | {worst} | {bound.origin} |"

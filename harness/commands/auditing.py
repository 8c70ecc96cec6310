"""`harness audit`: a look at a deployment of Airflow that breaks nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from harness.audit.deployment import Deployment, at
from harness.audit.rule import Rule, examine
from harness.audit.rules import EVERY
from harness.audit.sarif import sarif
from harness.audit.shown import Advice, Run, State, advise, explanations
from harness.commands.console import out, plainly
from harness.errors import EXIT_FAIL, EXIT_PASS, UsageError
from harness.foreign import escaped, one_line
from harness.kube import STACK_LABEL
from harness.kube.inventory import Inventory
from harness.outcome import Verdict
from harness.report import audit as page
from harness.settings import ROOT, Settings
from harness.stack.deploy import stacks
from harness.trends import trend

app = typer.Typer()
OURS = ROOT / "deploy" / "audit.yaml"
COLOURS = {State.TO_DO: "red", State.UNKNOWN: "yellow", State.STALE: "yellow", State.SHOWN: "green"}
LOUD = (State.TO_DO, State.UNKNOWN)
Format = Literal["text", "json", "sarif", "html"]


@app.command()
def audit(
    manifests: Annotated[
        Path | None, typer.Argument(help="manifests instead of a cluster, such as the output of `helm template`")
    ] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="of a cluster other than ours")] = None,
    context: Annotated[str, typer.Option(help="its context; else the current one")] = "",
    namespace: Annotated[str, typer.Option(help="of Airflow; NAMESPACE/RELEASE where it has several releases")] = "",
    longest_task: Annotated[float, typer.Option(min=0, help="seconds that your longest task takes")] = 600.0,
    explained: Annotated[Path | None, typer.Option(help="YAML: deployment → rule → why its finding stays")] = None,
    form: Annotated[Format, typer.Option("--format", help="of the output")] = "text",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="also list what holds")] = False,
) -> None:
    """Look at a deployment, break nothing, and say what a fault would do; ends with 1 if there is something to do."""
    place, _, release = namespace.partition("/")
    settings = Settings.of(namespace=place)
    objects, unseen = _read(manifests, kubeconfig, context, settings)
    deployment = Deployment(objects, longest_task, unseen, release)
    _one(deployment, str(manifests or f"namespace {settings.namespace}"), f"{settings.namespace}/{release}")
    name, ours = _named(deployment)
    why = explanations(explained or OURS, name) if explained or ours else {}
    runs = _runs(settings, name) if ours or name not in stacks() else ()  # others may name a release like a stack
    advice = advise(examine(EVERY, deployment), runs, why, datetime.now(UTC))
    if form == "text":
        _tell_all(advice, verbose)
    else:
        plainly(_written(name, advice, form))
    raise typer.Exit(EXIT_FAIL if any(one.state is State.TO_DO for one in advice) else EXIT_PASS)


def _one(deployment: Deployment, where: str, asked: str) -> None:
    """Raises `UsageError` if there is no release, or several."""
    if not deployment.workloads:
        raise UsageError(f"there is no Airflow in {where} (asked for {asked}); name the namespace that it runs in")
    if len(deployment.releases) > 1:
        either = " or ".join(f"--namespace={asked}{name}" for name in deployment.releases)
        raise UsageError(f"{where} has several releases of Airflow, which are judged one by one: say {either}")


def _read(
    manifests: Path | None, kubeconfig: Path | None, context: str, settings: Settings
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    if manifests is None:
        there = context or (settings.target.context if settings.target else "")
        found = Inventory(kubeconfig or settings.aim.path, there, settings.namespace)
        return found.objects, found.unseen
    try:
        every = yaml.safe_load_all(manifests.read_text(encoding="utf-8"))
        return [one for one in every if isinstance(one, dict)], {}
    except (yaml.YAMLError, UnicodeDecodeError) as cause:
        raise UsageError(f"{manifests}: not YAML: {one_line(str(cause))}") from cause
    except OSError as cause:
        raise UsageError(f"{manifests}: {cause.strerror}; name a file of manifests") from cause


def _named(deployment: Deployment) -> tuple[str, bool]:
    """Its name in our records, and whether it is a stack of ours; others go by their release."""
    for one in deployment.workloads:
        if ours := at(one.raw, "metadata.labels", {}).get(STACK_LABEL):
            return str(ours), True
    return next(iter(deployment.releases), "airflow"), False


def _runs(settings: Settings, name: str) -> Iterable[Run]:
    return (
        Run(run.experiment, run.wall, run.verdict is Verdict.PASS)
        for run in trend.runs(settings.reports)
        if run.stack == name
    )


def _written(name: str, advice: Sequence[Advice], form: Format) -> str:
    if form == "html":
        return page.page(name, advice)
    found: object = sarif(advice, version("airflow-chaos")) if form == "sarif" else [_plain(one) for one in advice]
    return json.dumps(found, indent=2)


def _tell_all(advice: Sequence[Advice], verbose: bool) -> None:
    """Print what is to do or unknown, in full, rule by rule; with `verbose`, the rest in one line each."""
    for (state, name), group in groupby(advice, key=lambda one: (one.state, one.finding.rule.name)):
        found = list(group)
        if verbose or state in LOUD:
            places = "; ".join(f"{one.finding.said.where}: {one.finding.said.what}" for one in found)
            because = f" ({found[0].because})" if found[0].because else ""
            line = escaped(one_line(f"{name}: {places}{because}"))
            out.print(f"[{COLOURS.get(state, 'dim')}]{state}[/] {line}", highlight=False, soft_wrap=True)
        if state in LOUD:
            _advise(found[0].finding.rule)
    counts = Counter(one.state for one in advice)
    told = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    plainly(f"{len(EVERY)} rules, {len(advice)} answers: {told}.")


def _advise(rule: Rule) -> None:
    plainly(f"    {rule.outage}")
    shows = f"  ({rule.experiment} shows it)" if rule.experiment else ""
    plainly(f"    values.yaml: {one_line(rule.change)}{shows}")


def _plain(one: Advice) -> dict[str, str]:
    rule, said = one.finding.rule, one.finding.said
    return {
        "rule": rule.name,
        "title": rule.title,
        "state": one.state,
        "where": said.where,
        "what": said.what,
        "outage": rule.outage,
        "change": rule.change,
        "experiment": rule.experiment,
        "because": one.because,
    }

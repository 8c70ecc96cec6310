"""`harness target`: what a run is aimed at, written down."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.audit.deployment import Deployment
from harness.commands.console import plainly
from harness.commands.discover import DOORS, discover
from harness.errors import UsageError
from harness.files import write
from harness.kube.inventory import PLACES, Inventory
from harness.target import Target, written

app = typer.Typer()
group = typer.Typer(help="The deployment that a run is aimed at, if it is not ours.")
app.add_typer(group, name="target")


@group.callback()
def about() -> None:
    """Keeps `discover` a subcommand, next to those to come."""


@group.command("discover")
def find(
    context: Annotated[str, typer.Option(help="of the kubeconfig")],
    namespace: Annotated[str, typer.Option(help="of Airflow")],
    kubeconfig: Annotated[Path | None, typer.Option(help="else kubectl's own")] = None,
    output: Annotated[Path, typer.Option(help="the file to write")] = Path("target.yaml"),
    force: Annotated[bool, typer.Option("--force", help="overwrite an existing file")] = False,
) -> None:
    """Write down what runs in a namespace, and say what could not be found; changes nothing there."""
    if output.exists() and not force:
        raise UsageError(f"{output} exists, and may have been completed by hand; --force overwrites it")
    named = str(kubeconfig) if kubeconfig else ""
    way = Target(name="x", context=context, kubeconfig=named, namespace=namespace).path
    found = Inventory(way, context, namespace, PLACES | DOORS)
    deployment = Deployment(found.objects, unseen=found.unseen)
    if not deployment.workloads:
        raise UsageError(f"there is no Airflow in namespace {namespace}; name the namespace that it runs in")
    seen = discover(deployment, context, namespace, named)
    write(output, written(seen.target, seen.missing))
    for name, parts in seen.target.components.items():
        plainly(f"{name}: {', '.join(f'{one.kind} {one.name}, {one.replicas}' for one in parts)}")
    for one in seen.missing:
        plainly(f"not found: {one}")
    plainly(str(output))

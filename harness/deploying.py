"""`harness dags`: what an Airflow of others deploys, so that runs can be judged there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness import dagfiles
from harness.console import plainly
from harness.errors import UsageError

app = typer.Typer()
dags = typer.Typer(help="The DAGs that are the load of each run.")
app.add_typer(dags, name="dags")


@dags.callback()
def about() -> None:
    """Keeps `export` a command of its own, beside those to come."""


@dags.command("export")
def export(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="a new folder, or that of an earlier export")
    ] = None,
    form: Annotated[
        Literal["files", "configmap"], typer.Option("--format", help="configmap: print a manifest")
    ] = "files",
) -> None:
    """Write the DAGs as files, for git-sync, a volume or an image, or print them as a ConfigMap."""
    if (folder is None) == (form == "files"):
        raise UsageError("name the folder to write to, or print a ConfigMap with --format configmap: one of both")
    if folder is None:
        plainly(dagfiles.config_map().rstrip())
        return
    dagfiles.export(folder)
    plainly(f"{folder}: {dagfiles.tag()}; {folder / 'README.md'} says where these files belong, and what tasks need")

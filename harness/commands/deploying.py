"""`harness ledger` and `harness dags`: what somebody else's Airflow needs, so that runs can be judged there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
import yaml

from harness import dagfiles, ledgers
from harness.commands.console import err, plainly
from harness.errors import UsageError
from harness.foreign import one_line
from harness.settings import Settings

app = typer.Typer()
ledger = typer.Typer(help="The record that tasks write about themselves, next to somebody else's Airflow.")
app.add_typer(ledger, name="ledger")
dags = typer.Typer(help="The DAGs that are the load of each run.")
app.add_typer(dags, name="dags")

Target = Annotated[
    str, typer.Option("--target", help="a file that `target discover` wrote: the Airflow that it is for")
]


@ledger.command("install")
def install(
    target: Target = "",
    image: Annotated[str, typer.Option(help="of a Redis; else the published one, which nodes pull")] = "",
) -> None:
    """Install a Redis with a password, and say what to do with it. An existing one is kept, with its password."""
    settings = Settings.of(target=target)
    ledgers.install(settings, image, lambda said: err.print(one_line(said), highlight=False))
    for line in _what_to_do(settings):
        plainly(line)


def _what_to_do(settings: Settings) -> list[str]:
    """Three steps, two of them YAML to copy."""
    at = {"ledger": ledgers.seen_from_here().model_dump(exclude_defaults=True)}
    reads = {"envName": ledgers.VARIABLE, "secretName": ledgers.SECRET, "secretKey": ledgers.URL}
    return [
        "# In the target's file:",
        yaml.safe_dump(at, sort_keys=False),
        f"# How tasks get {ledgers.VARIABLE}, in the values.yaml of the official chart; elsewhere, as an environment",
        "# variable of workers, triggerers and the DAG processor, from that Secret:",
        yaml.safe_dump({"secret": [reads]}, sort_keys=False),
        "# How this machine reaches it; keep it up during runs, since a gap in it makes a run INVALID:",
        f"# {ledgers.forward(settings)}",
    ]


@ledger.command("remove")
def remove(target: Target = "") -> None:
    """Remove what `install` made, with all that tasks wrote, and nothing else."""
    for line in ledgers.remove(Settings.of(target=target)) or ["nothing was there"]:
        plainly(line)


@dags.callback()
def about() -> None:
    """Keeps `export` a subcommand, next to those to come."""


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
        raise UsageError("name the folder to write to, or print a ConfigMap with --format configmap: one of the two")
    if folder is None:
        plainly(dagfiles.config_map().rstrip())
        return
    dagfiles.export(folder)
    plainly(f"{folder}: {dagfiles.tag()}; {folder / 'README.md'} says where these files belong, and what tasks need")

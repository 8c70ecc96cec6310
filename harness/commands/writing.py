"""The commands for authors of experiments and bounds: what a file may contain, and a file to start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.commands import schemas, skeleton
from harness.commands.console import plainly
from harness.commands.schemas import SCHEMAS
from harness.commands.upkeep import Profile, Providers, Stack
from harness.commands.validate import validate as looked_at
from harness.errors import UsageError
from harness.files import write
from harness.settings import Settings

app = typer.Typer()


@app.command()
def schema(
    name: Annotated[
        str, typer.Argument(help=f"one of {', '.join(SCHEMAS)}", autocompletion=lambda: list(SCHEMAS))
    ] = "",
    publish: Annotated[bool, typer.Option("--publish", help="write all of them to docs/schema/")] = False,
) -> None:
    """Print the JSON Schema of a file that users write."""
    if publish:
        for one in SCHEMAS:
            path = schemas.folder() / f"{one}.json"
            write(path, text(one))
            plainly(str(path))
    elif name in SCHEMAS:
        plainly(text(name).rstrip())
    else:
        raise UsageError(f"no schema is called {name!r}; there are: {', '.join(SCHEMAS)}")


def text(name: str) -> str:
    """A schema as it is published."""
    return json.dumps(schemas.schema(name), indent=1, ensure_ascii=False) + "\n"


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="of the experiment, and of its file in experiments/")],
    component: Annotated[skeleton.Component, typer.Option(help="what is hit")] = "scheduler",
    form: Annotated[skeleton.Form, typer.Option("--format")] = "json",
) -> None:
    """Write a new experiment to start from, and say which bounds it lacks."""
    settings = Settings.of()
    path = skeleton.make(name, component, form)
    file = skeleton.bounds_file(settings).name
    does = "breaks nothing" if component == "none" else f"kills one pod of {component}"
    plainly(f"{path}\nIt {does}; make of it what you want. Before it can be run, add to {file}:\n")
    plainly(skeleton.lacking(path, settings))
    plainly(f"\nharness validate {path.parent.name}/{path.name} then says whether it is valid, and lists its bounds.")


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="below experiments/")],
    stack: Stack = "",
    profile: Profile = "",
    allow_providers: Providers = None,
) -> None:
    """Check experiments without a cluster, and print the bounds that each is held to."""
    settings = Settings.of(stack=stack, profile=profile, allow_providers=",".join(allow_providers or ()))
    for path in files:
        plainly("\n".join(looked_at(path, settings)))

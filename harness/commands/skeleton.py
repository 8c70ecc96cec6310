"""A new experiment to start from: valid as it is; only its bounds are missing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

import yaml

from harness import allowed, bounds, slo, sources
from harness import experiment as experiments
from harness.chaos import actions, probes
from harness.errors import UsageError
from harness.experiment import CONTROL, EXTENSION
from harness.files import write
from harness.settings import ROOT, Settings, home
from harness.slo import CATALOGUE

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SCHEMA = "../docs/schema/experiment.json"
Component = Literal["scheduler", "api-server", "worker", "triggerer", "dag-processor", "none"]
Form = Literal["json", "yaml"]


def make(name: str, component: Component, form: Form, folder: Path | None = None) -> Path:
    """Write it to its own file. Raises `UsageError` if the name is not valid or already taken."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a name for an experiment; use small letters, digits and single hyphens")
    if (there := sources.named(name, folder)).exists():
        raise UsageError(f"there is {there} already; choose another name, or change that one")
    folder = folder or sources.own()
    raw = skeleton(name, component)
    allowed.check(experiments.check(name, raw))
    path = folder / f"{name}.{form}"
    if form == "json":
        write(path, json.dumps({"$schema": SCHEMA, **raw}, indent=2) + "\n")
    else:
        write(path, f"# yaml-language-server: $schema={SCHEMA}\n" + yaml.safe_dump(raw, sort_keys=False, width=120))
    return path


def skeleton(name: str, component: Component) -> dict[str, Any]:
    """One pod of a component is killed while DAG runs go on; with the component none, nothing is."""
    words = name.replace("-", " ").capitalize()
    kill = {"selector": f"tier=airflow,component={component}", "pick": "one"}
    ready = _activity("probe", "every component is ready", probes.every_component_is_ready.__name__)
    return {
        "version": "1.0.0",
        "title": words,
        "description": f"{words}: what is broken here, and what must hold all the same.",
        "tags": ["airflow", *([] if component == "none" else [component])],
        "controls": [{"name": EXTENSION, "provider": {"type": "python", "module": CONTROL}}],
        "extensions": [_block(component)],
        "steady-state-hypothesis": {"title": "Every component has its pods", "probes": [{**ready, "tolerance": True}]},
        "method": [] if component == "none" else [_activity("action", "kill one pod", "kill_pods", **kill)],
        "rollbacks": [_activity("action", "undo what is not undone", allowed.UNDO)],
    }


def _block(component: Component) -> dict[str, Any]:
    version = {"name": "version", "path": "/api/v2/version", "rate_hz": 5, "must_contain": "version"}
    tasks = [["extract", -1], ["transform", 0], ["transform", 1], ["load", -1]]
    hits = {"pods": 1, "share": 1.0 if component == "dag-processor" else 0.5, "seconds": 60}
    return {
        "name": EXTENSION,
        "component": component,
        "seed": 1,
        **({} if component == "none" else {"blast": hits}),
        "phases": {"baseline_s": 40, "recovery_s": 75, "cooldown_s": 90},
        "workload": {"dag": "chaos_workload", "every_s": 15, "accept_within_s": 20, "tasks": tasks},
        "probe": {"timeout_s": 5, "targets": [version]},
    }


def _activity(kind: Literal["action", "probe"], name: str, func: str, **arguments: str) -> dict[str, Any]:
    module = {"action": actions, "probe": probes}[kind].__name__
    provider: dict[str, Any] = {"type": "python", "module": module, "func": func}
    return {"type": kind, "name": name, "provider": {**provider, "arguments": arguments} if arguments else provider}


def bounds_file(settings: Settings) -> Path:
    """Where to add bounds: a user's own file. If there is none yet, it begins as a copy of the suite's."""
    own = home() / "slo.yaml"
    if own.exists() or settings.slo_file != ROOT / "slo.yaml":
        return settings.slo_file
    write(own, settings.slo_file.read_text(encoding="utf-8"))
    return own


def lacking(path: Path, settings: Settings) -> str:
    """The bounds to add before it can be run, in the form of `slo.yaml`."""
    one = experiments.load(path)
    lines = [f"{settings.profile}:", f"  {settings.stack}:", f"    {one.name}:"]
    missing = sorted(bounds.needed(one, settings) - slo.shared(settings.slo_file, settings.profile, settings.stack))
    lines += [
        f'      {name}: {{limit: , unit: {CATALOGUE[name].unit}, origin: ""}}  # {CATALOGUE[name].meaning}'
        for name in missing
    ]
    return "\n".join(lines if missing else [*lines[:-1], f"{lines[-1]} {{}}"])

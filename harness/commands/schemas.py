"""JSON Schemas of everything that a user writes, generated from the models that read it, for editors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter

from harness import known, slo
from harness.allowed import KINDS, LONGEST_PAUSE_S, Component, calls
from harness.experiment import CONTROL, EXTENSION, Plan
from harness.mutant import PLAIN, Mutant
from harness.settings import Profile, home
from harness.timetables import Table

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
ANY_OBJECT: Schema = {"type": "object"}


def folder() -> Path:
    """Where the files that a user writes look for them."""
    return home() / "docs" / "schema"


def block() -> Schema:
    """The extension block of an experiment."""
    found = Plan.model_json_schema()
    found["properties"]["component"] = {"enum": list(get_args(Component))}
    return found


def experiment() -> Schema:
    """A whole experiment: Chaos Toolkit's format, with our block, and with arguments as our actions take them."""
    ours = block()
    defs = ours.pop("$defs", {})
    other = {"type": "object", "properties": {"name": {"not": {"const": EXTENSION}}}}
    defs |= {"block": ours, "activity": {"anyOf": [*_calls(defs), _foreign()]}}
    activities = {"type": "array", "items": {"$ref": "#/$defs/activity"}}
    provider = {"type": "object", "properties": {"module": {"const": CONTROL}}, "required": ["module"]}
    control = {"type": "object", "properties": {"provider": provider}, "required": ["provider"]}
    extensions = {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/block"}, other]}, "minItems": 1}
    return {
        "type": "object",
        "properties": {
            "$schema": {"type": "string"},
            "title": TEXT,
            "description": TEXT,
            "tags": {"type": "array", "items": TEXT},
            "controls": {"type": "array", "contains": control},
            "extensions": extensions,
            "steady-state-hypothesis": _table({"title": TEXT, "probes": activities}, required=["title"]),
            "method": activities,
            "rollbacks": activities,
            "configuration": ANY_OBJECT,
            "secrets": ANY_OBJECT,
        },
        "required": ["title", "description", "controls", "extensions", "method"],
        "$defs": defs,
    }


def _calls(defs: Schema) -> Iterable[Schema]:
    """An activity for each of our actions and probes. What their arguments refer to is put into `defs`."""
    for (kind, name), arguments in sorted(calls().items()):
        schema = arguments.model_json_schema()
        defs |= schema.pop("$defs", {})
        needed = ["arguments"] if schema.get("required") else []
        provider = {"type": {"const": "python"}, "module": {"const": KINDS[kind].__name__}, "func": {"const": name}}
        yield _activity(kind, _table({**provider, "arguments": schema}, required=["type", "module", "func", *needed]))


def _foreign() -> Schema:
    """Foreign activities, if the user allows them."""
    modules = [module.__name__ for module in KINDS.values()]
    provider = {"type": "object", "properties": {"module": {"not": {"enum": modules}}}, "required": ["type"]}
    return _activity("", provider)


def _activity(kind: str, provider: Schema) -> Schema:
    pause = {"type": "number", "minimum": 0, "maximum": LONGEST_PAUSE_S}
    fields = {
        "type": {"const": kind} if kind else {"enum": list(KINDS)},
        "name": TEXT,
        "provider": provider,
        "tolerance": {},
        "pauses": _table({"before": pause, "after": pause}),
        "controls": {"type": "array"},
        "background": {"const": False},
    }
    return _table(fields, required=["type", "name", "provider"])


def bounds() -> Schema:
    """slo.yaml: profile → stack → experiment → bound."""
    table = _table({name: _bound(kind) for name, kind in slo.CATALOGUE.items()})
    named = {"type": "object", "additionalProperties": {"$ref": "#/$defs/bounds"}}
    profile = {
        "type": "object",
        "properties": {slo.SHARED: {"$ref": "#/$defs/bounds"}},
        "additionalProperties": named,
    }
    return {**_table(dict.fromkeys(get_args(Profile), profile)), "$defs": {"bounds": table}}


def _bound(kind: slo.Kind) -> Schema:
    limit = {"type": "number", "minimum": 0, "maximum": slo.MOST}
    found = _table({"limit": limit, "unit": {"const": kind.unit}, "origin": TEXT}, required=["limit", "unit", "origin"])
    return {**found, "description": f"{kind.meaning}; {kind.sense} the limit"}


def planted() -> Schema:
    """mutant.yaml, without what its folder says: its name and its contents."""
    found = Mutant.model_json_schema(by_alias=True)
    for name in ("name", "digest"):
        del found["properties"][name]
        found["required"].remove(name)
    found["properties"]["check"] = {"enum": sorted(slo.CATALOGUE.keys() | PLAIN)}
    found["properties"]["also"] = {"type": "array", "items": {"enum": sorted(slo.CATALOGUE.keys() | PLAIN)}}
    return found


def schedules() -> Schema:
    """dags/schedules.json, where DAGs do not say yet from when they run."""
    found = Table.model_json_schema()
    one = found["$defs"]["Schedule"]
    del one["properties"]["unpaused"]
    one["required"].remove("unpaused")
    return found


def failures() -> Schema:
    """known.yaml."""
    return TypeAdapter(dict[str, dict[str, known.Known]]).json_schema()


SCHEMAS: dict[str, Callable[[], Schema]] = {
    "block": block,
    "experiment": experiment,
    "slo": bounds,
    "mutant": planted,
    "schedules": schedules,
    "known": failures,
}


def schema(name: str) -> Schema:
    """One of them, complete."""
    return {"$schema": DIALECT, "title": f"airflow-chaos: {name}", **SCHEMAS[name]()}


def _table(fields: Schema, required: list[str] | None = None) -> Schema:
    """An object with these fields and no others."""
    found: Schema = {"type": "object", "properties": fields, "additionalProperties": False}
    return {**found, "required": required} if required else found

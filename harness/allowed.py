"""Experiments are data: whatever a file makes Chaos Toolkit run is ours, or was allowed by name.

Chaos Toolkit imports modules when it validates a file, and runs probes when it reads its configuration. So every
provider is checked before that. Arguments are checked against the signatures of the actions themselves, and none can be
a `${placeholder}`: what was checked is what runs.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any, Literal, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from harness.chaos import actions, borrowed, probes
from harness.chaos.aims import least
from harness.errors import UsageError
from harness.experiment import CONTROL, Experiment
from harness.safety import NOTHING, Blast

Component = Literal[
    "scheduler",
    "api-server",
    "worker",
    "triggerer",
    "dag-processor",
    "ingress",
    "postgres",
    "redis",
    "patroni",
    "pgbouncer",
    "broker",
    "sentinel",
    "kube-apiserver",
    "kube-dns",
    "speaker",
    "any",
    "none",
]
LONGEST_PAUSE_S = 600
KINDS: dict[str, ModuleType] = {"action": actions, "probe": probes}
UNDO = actions.undo.__name__
THEIRS = frozenset({"secrets", "configuration"})  # Chaos Toolkit passes these in; a file may not
BREAKS_NOTHING = borrowed.UNDOING | {f"{actions.__name__}.{UNDO}", borrowed.CordonNode.home}


def check(experiment: Experiment, allowed: tuple[str, ...] = ()) -> None:
    """Raises `UsageError`, with file and place, at the first thing that may not run or makes no sense."""
    try:
        _File(experiment.raw, allowed).check(experiment.plan.component)
        for where, blast in experiment.plan.blasts():
            _blast(blast, experiment, f"extensions.airflow-chaos.{where}")
    except _RefusedError as why:
        raise UsageError(f"{experiment.file}: {why}") from why


class _RefusedError(Exception):
    """Where and why a file is refused."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"{place}: {why}")


class _File:
    """One file, and the foreign providers that its user allows."""

    def __init__(self, raw: dict[str, Any], allowed: tuple[str, ...]) -> None:
        self._raw = raw
        self._allowed = allowed

    def check(self, component: str) -> None:
        if self._raw.get("dry") is not None:  # `chaos run` itself puts null there, or what --dry says
            raise _RefusedError("dry", "a dry experiment breaks nothing, so nothing could be judged")
        for name in ("configuration", "secrets"):
            self._literal(_object(self._raw.get(name, {}), name), name)
        _by_environment(self._raw.get("secrets", {}), "secrets")
        self._controls(self._raw, "")
        hypothesis = self._raw.get("steady-state-hypothesis")
        if hypothesis is not None:
            place = "steady-state-hypothesis"
            self._controls(_object(hypothesis, place), f"{place}.")
            self._activities(hypothesis.get("probes", []), f"{place}.probes", ("probe",))
        method = self._activities(self._raw.get("method", []), "method", ("action", "probe"))
        self._activities(self._raw.get("rollbacks", []), "rollbacks", ("action", "probe"), only=UNDO)
        _component(component, method)

    def _literal(self, value: Any, place: str) -> None:
        """Plain values, or an environment variable by name. Chaos Toolkit runs or fetches any other type."""
        if isinstance(value, list):
            for number, item in enumerate(value):
                self._literal(item, f"{place}[{number}]")
        if not isinstance(value, dict):
            return None
        if value.get("type") == "probe" and self._lets_through(_object(value.get("provider"), f"{place}.provider")):
            return self._controls(value, f"{place}.")
        if "type" in value and value["type"] != "env":
            raise _RefusedError(place, f"type {value['type']!r} is run or fetched; give a plain value, or type 'env'")
        if "type" in value and not ("default" in value or str(value.get("key")) in os.environ):
            raise _RefusedError(f"{place}.key", f"there is no environment variable {value.get('key')!r}")
        for name, item in value.items():
            self._literal(item, f"{place}.{name}")
        return None

    def _controls(self, holder: dict[str, Any], prefix: str) -> None:
        ours = 0
        for place, control in _each(holder.get("controls", []), f"{prefix}controls"):
            provider = _object(control.get("provider"), f"{place}.provider")
            if not _is_ours(provider, CONTROL):
                self._foreign(provider, f"{place}.provider")
                continue
            _only(control, {"name", "provider"}, place)
            _only(provider, {"type", "module"}, f"{place}.provider")
            ours += 1
            if prefix or ours > 1:
                raise _RefusedError(place, f"{CONTROL} frames the whole experiment, once")

    def _activities(self, found: Any, place: str, kinds: tuple[str, ...], only: str = "") -> list[dict[str, Any]]:
        each = list(_each(found, place))
        for where, activity in each:
            _only(activity, {"type", "name", "provider", "tolerance", "pauses", "controls", "background"}, where)
            self._activity(activity, where, kinds, only)
        return [activity for _, activity in each]

    def _activity(self, activity: dict[str, Any], place: str, kinds: tuple[str, ...], only: str) -> None:
        if activity.get("background", False) is not False:
            raise _RefusedError(f"{place}.background", "a fault in the background could not be told from its recovery")
        _pauses(activity.get("pauses", {}), f"{place}.pauses")
        self._controls(activity, f"{place}.")
        self._tolerance(activity.get("tolerance"), f"{place}.tolerance")
        provider, where = _object(activity.get("provider"), f"{place}.provider"), f"{place}.provider"
        kind = next((kind for kind in kinds if _is_ours(provider, KINDS[kind].__name__)), None)
        if (full := borrowed.named(provider)) in borrowed.UNPROVABLE:
            raise _RefusedError(f"{where}.func", f"{full} cannot be proved yet, so it may not be run")
        if full in borrowed.KNOWN or full in borrowed.READING:
            return _borrowed(activity, full, place, kinds, only)
        if kind is None:
            return self._foreign(provider, where)
        if activity.get("type") != kind:
            raise _RefusedError(f"{place}.type", f"{provider['module']} has each {kind}, not {activity.get('type')!r}")
        if only and kind == "action" and provider.get("func") != only:
            raise _RefusedError(f"{where}.func", f"{only} is the only action allowed here")
        return _call(provider, KINDS[kind], where)

    def _tolerance(self, tolerance: Any, place: str) -> None:
        """Values, ranges, patterns and paths run nothing; a probe does."""
        if not isinstance(tolerance, dict) or tolerance.get("type") in ("range", "regex", "jsonpath"):
            return
        if tolerance.get("type") != "probe":
            raise _RefusedError(f"{place}.type", f"{tolerance.get('type')!r} is not range, regex or jsonpath")
        self._foreign(_object(tolerance.get("provider"), f"{place}.provider"), f"{place}.provider")
        self._controls(tolerance, f"{place}.")

    def _foreign(self, provider: dict[str, Any], place: str) -> None:
        if not self._lets_through(provider):
            kind = provider.get("type")
            what = f"module {provider.get('module')!r}" if kind == "python" else f"type {kind!r}"
            raise _RefusedError(place, f"{what} may not be run here; --allow-providers NAME allows it")

    def _lets_through(self, provider: dict[str, Any]) -> bool:
        kind, module = provider.get("type"), str(provider.get("module"))
        if kind == "python":
            return any(module == name or module.startswith(f"{name}.") for name in self._allowed)
        return kind in ("process", "http") and kind in self._allowed


def _is_ours(provider: dict[str, Any], module: str) -> bool:
    return provider.get("type") == "python" and provider.get("module") == module


def _call(provider: dict[str, Any], module: ModuleType, place: str) -> None:
    """Check that the function exists and takes these arguments."""
    _only(provider, {"type", "module", "func", "arguments"}, place)
    known = _functions(module)
    func = provider.get("func")
    if not isinstance(func, str) or func not in known:
        raise _RefusedError(f"{place}.func", f"{func!r} is not one of {', '.join(sorted(known))}")
    arguments = _object(provider.get("arguments", {}), f"{place}.arguments")
    _valid(_signature(known[func]), arguments, place)


def _borrowed(activity: dict[str, Any], full: str, place: str, kinds: tuple[str, ...], only: str) -> None:
    """Check a call of `chaosk8s` that we know. A call that only looks may stand wherever a probe may."""
    provider, where = activity["provider"], f"{place}.provider"
    kind = "action" if full in borrowed.KNOWN else "probe"
    if activity.get("type") != kind or kind not in kinds:
        raise _RefusedError(f"{place}.type", f"{full} is an {kind}" if kind == "action" else f"{full} is a {kind}")
    if only and kind == "action" and full not in borrowed.UNDOING:
        undoing = ", ".join((only, *sorted(borrowed.UNDOING)))
        raise _RefusedError(f"{where}.func", f"the only actions that may stand here are {undoing}")
    if "secrets" in provider:
        raise _RefusedError(f"{where}.secrets", "it runs in the cluster of the run, and needs no login of its own")
    _only(provider, {"type", "module", "func", "arguments"}, where)
    arguments = _object(provider.get("arguments", {}), f"{where}.arguments")
    _valid(borrowed.KNOWN.get(full) or _signature(borrowed.theirs(full)), arguments, where)


def _valid(model: type[BaseModel], arguments: dict[str, Any], place: str) -> None:
    try:
        model.model_validate(arguments)
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in ("arguments", *first["loc"]))
        raise _RefusedError(f"{place}.{where}", first["msg"].removeprefix("Value error, ")) from cause


def _functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    own = inspect.getmembers(module, lambda one: inspect.isfunction(one) and one.__module__ == module.__name__)
    return {name: func for name, func in own if not name.startswith("_")}


def calls() -> dict[tuple[str, str], type[BaseModel]]:
    """(action or probe, function) → its arguments, for all of ours."""
    return {(kind, name): _signature(func) for kind in KINDS for name, func in _functions(KINDS[kind]).items()}


@cache
def _signature(func: Callable[..., Any]) -> type[BaseModel]:
    """The function's parameters as a model; strict, so that neither "60" nor true is a number."""
    hints = get_type_hints(func, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if one.default is one.empty else one.default)
        for name, one in inspect.signature(func).parameters.items()
        if name not in THEIRS
    }
    strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model(func.__name__, __config__=strict, **fields)


def _by_environment(found: Any, place: str) -> None:
    """Chaos Toolkit's journal contains the whole file, so nothing in it stays secret."""
    if isinstance(found, dict) and found.get("type") == "env":
        if "default" in found:
            raise _RefusedError(f"{place}.default", "it would appear in the journal; leave it to the environment")
    elif isinstance(found, dict):
        for name, item in found.items():
            _by_environment(item, f"{place}.{name}")
    else:
        raise _RefusedError(place, "it would appear in the journal; take it from the environment: type 'env' and a key")


def _component(component: str, method: list[dict[str, Any]]) -> None:
    place = "extensions.airflow-chaos.component"
    if component not in get_args(Component):
        raise _RefusedError(place, f"no stack has {component!r}; there are: {', '.join(get_args(Component))}")
    breaks = [a for a in method if a.get("type") == "action" and borrowed.named(a["provider"]) not in BREAKS_NOTHING]
    if component == "none" and method:
        raise _RefusedError(
            "method", "the component is 'none', so nothing may be done; name the component, or empty it"
        )
    if component != "none" and not breaks:
        raise _RefusedError("method", f"no action in it breaks {component}; add one, or set the component to 'none'")


def _blast(blast: Blast, experiment: Experiment, place: str) -> None:
    """Nothing if nothing is broken, otherwise at least as much as the method's arguments require."""
    if experiment.plan.component == "none" and blast != NOTHING:
        raise _RefusedError(place, "the component is 'none', so nothing may be hit; leave it out")
    for name, needed in least(experiment.method()).items():
        if (declared := getattr(blast, name)) < needed:
            why = (
                f"the method needs at least {needed:g}, but {declared:g} is declared; declare the most that it may hit"
            )
            raise _RefusedError(f"{place}.{name}", why)


def _pauses(found: Any, place: str) -> None:
    pauses = _object(found, place)
    _only(pauses, {"before", "after"}, place)
    for name, pause in pauses.items():
        number = isinstance(pause, int | float) and not isinstance(pause, bool)
        if not (number and 0 <= pause <= LONGEST_PAUSE_S):
            raise _RefusedError(f"{place}.{name}", f"{pause!r} is not a number of seconds from 0 to {LONGEST_PAUSE_S}")


def _each(found: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list, each with its place."""
    if not isinstance(found, list):
        raise _RefusedError(place, "a list is expected")
    for number, item in enumerate(found):
        yield f"{place}[{number}]", _object(item, f"{place}[{number}]")


def _object(found: Any, place: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise _RefusedError(place, "an object is expected")
    return found


def _only(holder: dict[str, Any], known: set[str], place: str) -> None:
    if strange := sorted(holder.keys() - known):
        raise _RefusedError(f"{place}.{strange[0]}", f"it is not one of {', '.join(sorted(known))}")

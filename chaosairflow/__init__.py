"""What `chaos discover chaosairflow` finds: the actions and probes that experiments may name."""

from __future__ import annotations

from importlib.metadata import version
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from chaoslib.discovery.discover import (
    discover_actions,
    discover_probes,
    initialize_discovery_result,
    portable_type_name,
)

from harness.chaos import actions, probes

__all__ = ["__version__", "discover"]
__version__ = version("airflow-chaos")


def discover(discover_system: bool = True) -> dict[str, Any]:
    """Chaos Toolkit calls this by its name. Nothing of a system is looked at, whether that is asked for or not."""
    found: dict[str, Any] = initialize_discovery_result("chaosairflow", __version__, "airflow")
    found["activities"] = [
        *_typed(discover_actions(actions.__name__), actions),
        *_typed(discover_probes(probes.__name__), probes),
    ]
    return found


def _typed(activities: list[dict[str, Any]], module: ModuleType) -> list[dict[str, Any]]:
    """With the types of arguments and results, which Chaos Toolkit cannot tell where annotations are text."""
    for activity in activities:
        hints = get_type_hints(getattr(module, activity["name"]))
        activity["return_type"] = _portable(hints["return"])
        for argument in activity["arguments"]:
            argument["type"] = _portable(hints[argument["name"]])
    return activities


def _portable(hint: Any) -> str:
    """By Chaos Toolkit's names: of one of several words, that of a word; of a list of something, that of a list."""
    kind = type(get_args(hint)[0]) if get_origin(hint) is Literal else get_origin(hint) or hint
    return str(portable_type_name(kind))

"""A small experiment, as its file would hold it."""

from __future__ import annotations

from typing import Any

PHASES = {"baseline_s": 5, "recovery_s": 5, "cooldown_s": 5}
BLAST = {"pods": 100, "share": 1.0, "nodes": 10, "seconds": 3600}
SELECTOR = "tier=airflow,component=scheduler"


def activity(kind: str, module: str, func: str, **arguments: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"type": kind, "name": func, "provider": provider}


def experiment(selector: str = SELECTOR, pick: str = "all", **block: Any) -> dict[str, Any]:
    """Kill schedulers; `block` replaces entries of our extension block, and removes those that are None."""
    entries = {
        "name": "airflow-chaos",
        "component": "scheduler",
        "blast": dict(BLAST),
        "phases": dict(PHASES),
        "workload": {"dag": "chaos_workload", "every_s": 1, "accept_within_s": 5, "tasks": [["extract", -1]]},
        "probe": {"timeout_s": 2, "targets": [{"name": "version", "path": "/api/v2/version", "rate_hz": 5}]},
        **block,
    }
    return {
        "version": "1.0.0",
        "title": "a small experiment",
        "description": "for tests",
        "controls": [{"name": "airflow-chaos", "provider": {"type": "python", "module": "harness.control"}}],
        "extensions": [{name: entry for name, entry in entries.items() if entry is not None}],
        "method": [activity("action", "harness.chaos.actions", "kill_pods", selector=selector, pick=pick)],
        "rollbacks": [activity("action", "harness.chaos.actions", "undo")],
    }

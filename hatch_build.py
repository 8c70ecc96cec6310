"""What the wheel carries besides code: all that a run needs. Here it is beside `harness/`; once installed, inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED = (
    "dags",
    "deploy",
    "docs/runs.csv",
    "docs/schema",
    "README.md",
    "examples",
    "experiments",
    "hatch_build.py",  # without it nobody builds an image of the suite
    "images",
    "kind-config.yaml",
    "known.yaml",
    "pyproject.toml",  # with uv.lock: which Go compiler is fetched
    "slo.yaml",
    "uv.lock",
)


class Ship(BuildHookInterface):
    """Not for an editable installation, which is the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            there = {str(Path(self.root, name)): f"harness/shipped/{name}" for name in SHIPPED}
            build_data["force_include"].update(there)

"""The scheduled DAGs, as described in the table from which they are generated: `dags/schedules.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache

from pydantic import BaseModel, ConfigDict

from harness.records import Schedule
from harness.settings import ROOT

PATH = ROOT / "dags" / "schedules.json"


class Table(BaseModel):
    """`dags` before any is unpaused, so without times of their own; `pools` are those of their tasks."""

    model_config = ConfigDict(frozen=True)

    pools: dict[str, int]
    dags: dict[str, Schedule]

    def window(self, names: Iterable[str], start: str, end: str) -> dict[str, Schedule]:
        """What these DAGs owe from `start` on. Those that wait for an asset have no start of their own."""
        return {name: self.dags[name].model_copy(update={"start": start, "end": end}) for name in names}

    def pools_of(self, names: Iterable[str]) -> dict[str, int]:
        """The pools that tasks of these DAGs hold slots of."""
        used = {pool for name in names for pool in self.dags[name].pools.values()}
        return {name: slots for name, slots in self.pools.items() if name in used}


@cache
def table() -> Table:
    """The file is one of the suite's own: what it lacks is our defect, not the user's."""
    said = json.loads(PATH.read_text(encoding="utf-8"))
    for one in said["dags"].values():
        one["unpaused"] = ""
    return Table.model_validate_json(json.dumps(said))

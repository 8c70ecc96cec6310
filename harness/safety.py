"""The most that an experiment may do, as it declares it: how far its faults reach, and when it is stopped."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

_DECLARED = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Blast(BaseModel):
    """The blast radius. What is not declared may not be hit.

    `pods` and `nodes` are those of the whole run, each counted once; `share` is the share of a component's Ready pods
    hit at once, from 0 to 1; `seconds` run from the first fault to the undo.
    """

    model_config = _DECLARED

    pods: int = Field(default=0, ge=0, le=1000)
    share: float = Field(default=0.0, ge=0, le=1)
    nodes: int = Field(default=0, ge=0, le=100)
    seconds: float = Field(default=0.0, ge=0, le=7200)

    def __str__(self) -> str:
        pods = "1 pod" if self.pods == 1 else f"{self.pods} pods"
        nodes = "1 node" if self.nodes == 1 else f"{self.nodes} nodes"
        return f"{pods}, {100 * self.share:.0f} % of a component's at once, {nodes}, {self.seconds:g} s"


NOTHING = Blast()


class Brake(BaseModel):
    """The rate at which the error budget may burn: `errors_share` of the requests of the last `within_s` seconds."""

    model_config = _DECLARED

    errors_share: float = Field(gt=0, le=1)
    within_s: float = Field(ge=5, le=600)

    def __str__(self) -> str:
        return f"over {100 * self.errors_share:g} % of the requests of {self.within_s:g} s without a good answer"

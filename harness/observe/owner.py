"""What the owner of a cluster watches: one query of their Prometheus, and the highest value that it may have."""

from __future__ import annotations

import math
import time
from typing import Annotated, Literal

import requests
from pydantic import BaseModel, Field, ValidationError

from harness.errors import HarnessError, UsageError
from harness.settings import Settings

TIMEOUT_S = (3.0, 5.0)  # to connect, and for each read
BLIND_S = 20.0
Value = tuple[float, str]


class _Series(BaseModel):
    value: Value


class _Vector(BaseModel):
    kind: Literal["vector"] = Field(alias="resultType")
    result: list[_Series]


class _Scalar(BaseModel):
    kind: Literal["scalar"] = Field(alias="resultType")
    result: Value


class _Reply(BaseModel):
    status: Literal["success"]
    data: Annotated[_Vector | _Scalar, Field(discriminator="kind")]


class Owner:
    """The owner's query. Its address may hold a login, so it is never shown."""

    def __init__(self, url: str, query: str, limit: float) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._query = query
        self._limit = limit
        self._session = requests.Session()
        self._session.trust_env = False
        self._seen = time.monotonic()

    @classmethod
    def of(cls, settings: Settings) -> Owner | None:
        """The owner's query that the settings name, or None. Raises `UsageError` if they name only part of it."""
        said = {
            "AIRFLOW_CHAOS_BRAKE_URL": settings.brake_url,
            "AIRFLOW_CHAOS_BRAKE_QUERY": settings.brake_query,
            "AIRFLOW_CHAOS_BRAKE_LIMIT": settings.brake_limit,
        }
        missing = [name for name, value in said.items() if value in ("", None)]
        if len(missing) == len(said):
            return None
        if missing or settings.brake_limit is None:
            raise UsageError(f"the brake has no {missing[0]}; set all of {', '.join(said)}, or none")
        return cls(settings.brake_url, settings.brake_query, settings.brake_limit)

    def agree(self) -> None:
        """Raises `UsageError` unless the query has a value now that is within its limit."""
        try:
            value = self._value()
        except HarnessError as cause:
            raise UsageError(f"the brake's query cannot be run: {cause}; fix it, or leave it out") from cause
        if value > self._limit:
            raise UsageError(f"{self._beyond(value)}, before anything is broken; wait until that is over")

    def __call__(self) -> str | None:
        """Why the run must not go on, or None. Having no value for a while is as bad as exceeding the limit."""
        try:
            value = self._value()
        except HarnessError as cause:
            blind_s = time.monotonic() - self._seen
            return f"the owner's query was not answered for {blind_s:.0f} s: {cause}" if blind_s > BLIND_S else None
        self._seen = time.monotonic()
        return self._beyond(value) if value > self._limit else None

    def _beyond(self, value: float) -> str:
        return f"the owner's query is at {value:g}, and may be at most {self._limit:g} ({self._query})"

    def _value(self) -> float:
        """The largest value of the query. Raises `HarnessError` if it has none."""
        try:
            answer = self._session.get(self._url, params={"query": self._query}, timeout=TIMEOUT_S)
            data = _Reply.model_validate_json(answer.content).data
            said = [one.value for one in data.result] if isinstance(data, _Vector) else [data.result]
            values = [float(text) for _, text in said]
        except requests.RequestException as cause:
            raise HarnessError(f"Prometheus does not answer ({type(cause).__name__})") from cause
        except ValidationError as cause:
            raise HarnessError(f"Prometheus answered {answer.status_code} without a value") from cause
        except ValueError as cause:
            raise HarnessError(f"Prometheus answered with something that is not a number: {cause}") from cause
        if not values or any(math.isnan(value) for value in values):
            raise HarnessError("it has no value now; add `or vector(0)` where that means none")
        return max(values)

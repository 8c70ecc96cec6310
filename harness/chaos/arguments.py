"""What the arguments of actions may be. An experiment's file is checked against these types before anything starts."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = rf"(?:[a-z0-9][-a-z0-9.]{{0,252}}/)?{_NAME}"
_LIST = rf"\(\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\)"
_CHOOSES = re.compile(rf"\s*{_KEY}\s*(?:==?\s*{_NAME}|\s+in\s*{_LIST})\s*")
_EXCLUDES = re.compile(rf"\s*(?:!\s*{_KEY}|{_KEY}|{_KEY}\s*!=\s*{_NAME}|{_KEY}\s+notin\s*{_LIST})\s*")
_EQUALS = re.compile(rf"{_KEY}={_NAME}")
_COMMA = re.compile(r",(?![^(]*\))")


def _chooses_some(selector: str) -> str:
    """A label selector with at least one label's value: without, it matches nearly every pod of its namespace."""
    if not selector.strip():
        raise ValueError("an empty selector matches every pod")
    parts = _COMMA.split(selector)
    for part in parts:
        if not (_CHOOSES.fullmatch(part) or _EXCLUDES.fullmatch(part)):
            raise ValueError(f"{part.strip()!r} is not part of a label selector, such as tier=airflow,component=worker")
    if not any(_CHOOSES.fullmatch(part) for part in parts):
        raise ValueError("it only excludes, so it matches nearly every pod; name a label's value, such as tier=airflow")
    return selector


def _chooses_some_or_nobody(selector: str) -> str:
    return _chooses_some(selector) if selector else selector


def _as_text(labels: Any) -> Any:
    """A table of labels as the text that says the same."""
    return ",".join(f"{key}={value}" for key, value in labels.items()) if isinstance(labels, dict) else labels


def _each_is(labels: str) -> str:
    for part in labels.split(","):
        if not _EQUALS.fullmatch(part):
            raise ValueError(f"{part!r} is not a label and its value, such as tier=airflow,component=worker")
    return labels


def _changes_something(by: int) -> int:
    if by == 0:
        raise ValueError("0 changes nothing")
    return by


Selector = Annotated[str, AfterValidator(_chooses_some)]
Others = Annotated[str, AfterValidator(_chooses_some_or_nobody)]
Labels = Annotated[str, BeforeValidator(_as_text), AfterValidator(_each_is)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Delay = Annotated[float, Field(ge=0, le=3600)]
Count = Annotated[int, Field(ge=1, le=10_000)]
Change = Annotated[int, Field(ge=-100, le=100), AfterValidator(_changes_something)]
Setting = Annotated[int, Field(ge=0, le=1_000_000)]
Variable = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Key = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]{1,253}$")]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][-._A-Za-z0-9]{0,127}$")]
ThisOne = Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")]
Namespace = Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")]

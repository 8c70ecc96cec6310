"""Records without checks: a world's are what their kinds ask for, and a world has hundreds."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from harness.history import Record

R = TypeVar("R", bound=Record)
_put = object.__setattr__  # records are frozen


def unchecked(kind: type[R], **values: Any) -> R:
    """As pydantic's `model_construct`, which goes through all fields of each record anew."""
    record = kind.__new__(kind)
    _put(record, "__dict__", {**_defaults(kind), **values})
    _put(record, "__pydantic_fields_set__", set(values))
    _put(record, "__pydantic_extra__", None)
    _put(record, "__pydantic_private__", None)
    return record


@cache
def _defaults(kind: type[Record]) -> dict[str, Any]:
    """In the order of the fields, in which they are written."""
    return {name: field.get_default(call_default_factory=True) for name, field in kind.model_fields.items()}

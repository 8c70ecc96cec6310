"""What all pages share: how templates are filled in, and how numbers are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from harness.foreign import visible
from harness.slo import CATALOGUE

HERE = Path(__file__).parent


def render(name: str, **values: Any) -> str:
    """One page. All text is escaped and made visible; a value that is missing is an error."""
    return _environment().get_template(name).render(**values)


def number(value: float | None) -> str:
    """At most three decimals, for display; nothing is ever judged by it."""
    return "–" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def amount(value: float | None, unit: str) -> str:
    """A number and its unit, unless it is a count."""
    return number(value) if value is None or unit == "count" else f"{number(value)} {unit}"


def brief(value: float, unit: str) -> str:
    """Three digits are enough to compare runs by; it never wraps."""
    return f"{value:,.3g}" if unit == "count" else f"{value:,.3g}\N{NO-BREAK SPACE}{unit}"


def milliseconds(value: float) -> str:
    """Three digits are enough for a time that was measured once."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def date(wall: str) -> str:
    """RFC 3339 for people, in UTC; anything else is shown as it is."""
    try:
        return datetime.fromisoformat(wall).astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        return wall


def short(name: str) -> str:
    """The part of a measure's name that tells it apart."""
    return name.removeprefix("availability.").removeprefix("recovery.").replace(".", " ").replace("_", " ")


def sense(name: str) -> str:
    """Which side of its limit a measure must keep."""
    return CATALOGUE[name].sense if name in CATALOGUE else "limit"


def _visible(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        finalize=_visible,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters |= {
        "number": number,
        "amount": amount,
        "brief": brief,
        "milliseconds": milliseconds,
        "date": date,
        "short": short,
        "sense": sense,
    }
    return environment

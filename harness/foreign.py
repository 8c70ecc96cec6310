"""Foreign texts, made safe to show: what a server, cluster or file says must not steer a terminal or act as markup."""

from __future__ import annotations

import re

from rich.markup import escape

# Control characters except tab and newline; what changes the reading direction; what some take for the end of a line.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

_NO_TAG = re.compile(r"(\\+)\[(?![a-z#/@][^[]*?\])")  # of rich
_MARKUP = re.compile(r"[\\`*_\[\]<>&|]")


def visible(text: str) -> str:
    """The text with whatever would steer a terminal escaped, as in a Python string."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def markdown(text: str) -> str:
    """As `one_line`, for a cell of a table in Markdown, as plain text."""
    return _MARKUP.sub(r"\\\g<0>", one_line(text))


def one_line(text: str) -> str:
    """As `visible`, in one line: foreign text cannot begin a new one."""
    return visible(text).replace("\n", "\\n")


def escaped(text: str) -> str:
    """This text as rich's markup. Rich drops one backslash before a bracket that opens no tag, which its own function
    does not know."""
    return _NO_TAG.sub(r"\1\\[", escape(text))

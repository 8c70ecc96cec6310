"""Tables that people write, in YAML: read with the lines that they stand in, and no key twice."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import yaml

from harness.errors import UsageError


def compose(path: Path) -> yaml.Node | None:
    """The nodes of a file. Raises `UsageError` with file and line where it is not YAML, or one table has a key twice.

    Raises FileNotFoundError where there is none.
    """
    try:
        root, twice = _composed(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as cause:
        raise UsageError(f"{path.name}:1: not UTF-8 text: {cause.reason}") from cause
    except (yaml.YAMLError, RecursionError) as cause:
        mark = getattr(cause, "problem_mark", None)
        said = str(getattr(cause, "problem", None) or getattr(cause, "reason", None) or "it is nested too deeply")
        raise UsageError(f"{path.name}:{mark.line + 1 if mark else 1}: not valid YAML: {said}") from cause
    if twice:
        key, line, first = twice
        raise UsageError(f"{path.name}:{line}: {key!r} stands here again, after line {first}; keep one of the two")
    return root


@lru_cache(maxsize=1)
def _composed(text: str) -> tuple[yaml.Node | None, tuple[str, int, int] | None]:
    """Composing takes a tenth of a second, and a catalogue asks for many experiments of one file."""
    root = yaml.compose(text)
    return root, _twice(root) if root else None


def _twice(root: yaml.Node) -> tuple[str, int, int] | None:
    """A key that one table has twice, its line, and that of the first of the two. Aliases are looked at once."""
    seen: set[int] = set()
    left = [root]
    while left:
        node = left.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            left += node.value
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines:
                return name, line, lines[name]
            lines[name] = line
            left.append(value)
    return None

"""Tables that people write, in YAML: read with their line numbers, and without duplicate keys."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from harness.errors import UsageError

TAG = "tag:yaml.org,2002:"
PLAIN = frozenset(TAG + name for name in ("str", "int", "float", "bool", "null"))
MOST = 100_000


def compose(path: Path) -> yaml.Node | None:
    """The nodes of a file. Raises `UsageError` with file and line if it is not YAML, or one table has a key twice.

    Raises FileNotFoundError if there is no file.
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
        raise UsageError(f"{path.name}:{line}: {key!r} was already given in line {first}; keep one of the two")
    return root


def read(path: Path) -> Any:
    """The content of a file, if JSON could hold it too.

    Raises `UsageError` with file and line for anything else that YAML knows: a key that is not text (`on` is true
    unless it is quoted), a date, a table that contains itself, or a short text that stands for a long one.
    """
    root = compose(path)
    if root is None:
        return None
    try:
        if found := _Json().beyond(root):
            node, why = found
            raise UsageError(f"{path.name}:{node.start_mark.line + 1}: {why}")
        return yaml.SafeLoader("").construct_document(root)
    except (yaml.YAMLError, ValueError, RecursionError) as cause:
        raise UsageError(f"{path.name}: not YAML that can be read: {' '.join(str(cause).split())}") from cause


class _Json:
    """Looks for what JSON cannot hold."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}  # with all that is in it, aliases written out; 0 while we look at it

    def beyond(self, node: yaml.Node) -> tuple[yaml.Node, str] | None:
        """The first such thing, and why it is refused."""
        if id(node) in self._sizes:
            return None if self._sizes[id(node)] else (node, "a table holds itself")
        self._sizes[id(node)] = 0
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.tag != TAG + "str":
                    return key, f"the key {_said(key)} is not read as text; put it in quotes"
                inner.append(value)
        elif isinstance(node, yaml.SequenceNode):
            inner = node.value
        elif node.tag not in PLAIN:
            return node, f"{_said(node)} is read as {node.tag.removeprefix(TAG)}; put it in quotes"
        for one in inner:
            if found := self.beyond(one):
                return found
        self._sizes[id(node)] = 1 + sum(self._sizes[id(one)] for one in inner)
        return (
            (node, f"more than {MOST} values, once its aliases are written out")
            if self._sizes[id(node)] > MOST
            else None
        )


def _said(node: yaml.Node) -> str:
    return repr(node.value) if isinstance(node, yaml.ScalarNode) else "that is no single word"


@lru_cache(maxsize=1)
def _composed(text: str) -> tuple[yaml.Node | None, tuple[str, int, int] | None]:
    """Composing takes a tenth of a second, and a catalogue asks for many experiments of one file."""
    root = yaml.compose(text)
    return root, _twice(root) if root else None


def _twice(root: yaml.Node) -> tuple[str, int, int] | None:
    """A key that one table has twice, its line, and the line of the first. Aliases are looked at once."""
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

"""The table of images and programs (`images/images.toml`), and the key that says whether one must be rebuilt.

A key is a hash over all inputs: the recipe's files, its row, and the keys of what it is built from. So a second
run builds nothing, and a changed recipe rebuilds only its own image.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import UsageError
from harness.settings import ROOT

FOLDER = ROOT / "images"
SHIPPED = "shipped"  # in an installed package
PREFIX = "airflow-chaos"  # of what is built here, and of what nobody else publishes


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModuleFiles(Strict):
    """A folder that a Go module publishes and a recipe or the deployment uses."""

    module: str
    path: str


class Programs(Strict):
    """A folder with a go.mod, and how its programs are linked."""

    ldflags: str = ""
    files: tuple[ModuleFiles, ...] = ()


class Image(Strict):
    """Where an image is published, and which recipe builds it."""

    published: str
    recipe: str
    digest: str = ""
    target: str = ""
    programs: tuple[str, ...] = ()
    node: bool = False
    # Left out when empty, or they would change every row's key.
    addon: bool = Field(default=False, exclude_if=lambda addon: not addon)
    on: str = Field(default="", exclude_if=lambda on: not on)
    sources: tuple[str, ...] = Field(default=(), exclude_if=lambda sources: not sources)
    context: str = Field(default="", exclude_if=lambda context: not context)

    @property
    def ours(self) -> bool:
        """Whether no registry has it, so that every machine builds it."""
        return self.published.startswith(f"{PREFIX}/")

    @property
    def pinned(self) -> str:
        """What to pull: by digest where one is known."""
        return f"{self.published}@{self.digest}" if self.digest else self.published


class Base(Strict):
    """The Debian root file system under the recipes."""

    suite: str
    packages: tuple[str, ...]
    exclude: tuple[str, ...] = ()


class _File(Strict):
    base: Base
    programs: dict[str, Programs]
    images: dict[str, Image]


@dataclass(frozen=True)
class Table:
    """All rows, and the key of each."""

    base: Base
    programs: dict[str, Programs]
    images: dict[str, Image]
    keys: dict[str, str] = field(default_factory=dict)

    def base_key(self) -> str:
        return self.keys["base"]

    def program_key(self, name: str) -> str:
        return self.keys[f"programs/{name}"]

    def image_key(self, name: str) -> str:
        return self.keys[f"images/{name}"]

    def bundle_key(self, names: tuple[str, ...], how: str) -> str:
        """The key of a node image that carries the images `names`, pulled or built."""
        return _hash(how, *(f"{n}={self.image_key(n)}" for n in sorted(names)))


def load(folder: Path = FOLDER) -> Table:
    """Read the table. Raises `UsageError` with the file's name if it is not valid."""
    try:
        rows = _File.model_validate(tomllib.loads((folder / "images.toml").read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as cause:
        raise UsageError(f"images/images.toml is not a valid table: {cause}") from cause
    keys = {"base": _hash(rows.base.model_dump_json())}
    for name, programs in rows.programs.items():
        sources = _files(folder / name, ("go.mod", "go.sum", "*.go"))
        keys[f"programs/{name}"] = _hash(programs.model_dump_json(), sources)
    for name, image in rows.images.items():
        unknown = set(image.programs) - rows.programs.keys()
        if unknown:
            raise UsageError(f"images/images.toml: {name} needs programs that no row has: {', '.join(sorted(unknown))}")
        if image.on and f"images/{image.on}" not in keys:
            raise UsageError(f"images/images.toml: {name} is built on {image.on}, which no row before it has")
        below = keys[f"images/{image.on}"] if image.on else keys["base"]
        inputs = [below, *(keys[f"programs/{p}"] for p in image.programs)]
        inputs += [_hash(name, path.read_bytes()) for name, path in taken_in(image, folder.parent)]
        keys[f"images/{name}"] = _hash(image.model_dump_json(), *_recipe(image, folder), *inputs)
    return Table(rows.base, rows.programs, rows.images, keys)


def _recipe(image: Image, folder: Path) -> list[str]:
    """The recipe's files; with a context, that folder's files and the recipe's Dockerfile."""
    if not image.context:
        return [_files(folder / image.recipe, ("*",))]
    return [_files(folder / image.recipe, ("Dockerfile",)), _files(folder / image.context, ("*",))]


def taken_in(image: Image, root: Path = ROOT) -> list[tuple[str, Path]]:
    """The files of this repository that a recipe takes in, each with its name below `root`. Raises `UsageError` if one
    is missing."""
    found = []
    for name in image.sources:
        place = _place(root, name)
        if not place.exists():
            raise UsageError(f"images/images.toml: {name} is to be taken into an image, and is not there")
        paths = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
        found += [(name, place, path) for path in paths]
    named = ((f"{name}/{path.relative_to(place)}" if path != place else name, path) for name, place, path in found)
    return sorted((name, path) for name, path in named if not {"__pycache__", SHIPPED} & set(Path(name).parts))


def _place(root: Path, name: str) -> Path:
    """In an installed package the suite's files are in a folder of the package, not next to it."""
    return root.parent if root.name == SHIPPED and name == root.parent.name else root / name


def _files(folder: Path, patterns: tuple[str, ...]) -> str:
    found = {path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}
    return json.dumps({str(p.relative_to(folder)): _hash(p.read_bytes()) for p in sorted(found)})


def _hash(*parts: Any) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]

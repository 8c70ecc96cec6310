"""The DAGs of the suite's load as files: their version, and the package to deploy on somebody else's Airflow."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.errors import StorageError, UsageError
from harness.files import beside
from harness.settings import ROOT

FOLDER = ROOT / "dags"
VERSION = "dags_version.py"
IGNORED = ".airflowignore"
BESIDES = (IGNORED, "README.md")
LIST = "airflow-chaos-dags.json"  # what an export wrote, so that the next one replaces that and nothing else
NOBODYS = frozenset({".git", "__pycache__"})  # never replaced
NAME = "airflow-chaos-dags"
MOST = 1_000_000  # bytes of a ConfigMap, which may have 1 MiB with its names
HOME = "/opt/airflow"  # of the official image
MOUNTING = """The DAGs of airflow-chaos. In the values.yaml of the official chart, unless DAGs come by git-sync or a
volume there (pods see a newer version of this only once they are restarted):"""
DEADLINES = "ledger_marks.py"  # called on a missed deadline; triggerers look for it in their configuration


class _AsText(yaml.SafeDumper):
    """Writes files line by line, as they are."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = "|" if "\n" in data else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_AsText.add_representer(str, _AsText.represent_str)


@cache
def _version() -> dict[str, Any]:
    """From the very code that makes the DAGs' own tags."""
    return runpy.run_path(str(FOLDER / VERSION))


def names() -> tuple[str, ...]:
    """The files that the version is computed from."""
    return tuple(_version()["FILES"])


def tag() -> str:
    """The tag of DAGs of this suite's version."""
    return str(_version()["TAGS"][-1])


def version_in(tags: Iterable[str]) -> str:
    """The first of these tags that names a version of the suite, or ""."""
    return next((one for one in tags if one.startswith(_version()["PREFIX"])), "")


def export(folder: Path) -> None:
    """Write the package, replacing an earlier one. Raises `UsageError` if the folder holds anything else."""
    earlier = _earlier(folder)
    wanted = (*names(), *BESIDES)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in earlier - {*wanted, LIST}:
            (folder / name).unlink(missing_ok=True)
    except OSError as cause:
        raise StorageError.of(cause, folder) from cause
    for name in wanted:
        _put(folder / name, (FOLDER / name).read_bytes())
    about = {"version": tag(), "files": sorted(wanted)}
    _put(folder / LIST, (json.dumps(about, indent=1) + "\n").encode())


def _earlier(folder: Path) -> set[str]:
    """The files that an earlier export may have written there."""
    if not folder.exists():
        return set()
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; name another")
    there = {path.name for path in folder.iterdir()} - NOBODYS
    ours = _listed(folder / LIST)
    if strange := sorted(there - ours):
        more = f" and {len(strange) - 1} more" if strange[1:] else ""
        raise UsageError(f"{folder} holds what no export wrote: {strange[0]}{more}; name an empty folder, or a new one")
    return there


def _listed(path: Path) -> set[str]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return {LIST, *(Path(str(name)).name for name in said["files"])}
    except (OSError, ValueError, LookupError, TypeError):
        return set()


def _put(path: Path, content: bytes) -> None:
    with beside(path) as fresh:
        fresh.write_bytes(content)


def config_map() -> str:
    """The DAGs as a ConfigMap, with the values that the official chart needs to mount it. Raises `UsageError` if they
    are too large for one."""
    data = {name: (FOLDER / name).read_text(encoding="utf-8") for name in (IGNORED, *names())}
    if (size := sum(len(text.encode()) for text in data.values())) > MOST:
        raise UsageError(f"the DAGs have {size} bytes, and a ConfigMap has {MOST}; export them to a folder")
    labels = {"app.kubernetes.io/managed-by": "airflow-chaos", "airflow-chaos/dags": tag()}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "labels": labels}, "data": data}
    head = f"{MOUNTING}\n\n{_mounts(list(data))}"
    said = "".join(f"# {line}".rstrip() + "\n" for line in head.splitlines())
    return said + yaml.dump(made, Dumper=_AsText, sort_keys=False, allow_unicode=True, width=200)


def _mounts(files: Sequence[str]) -> str:
    """Each file separately: a ConfigMap mounted whole is a directory of links, in which Airflow sees a loop."""
    places = [(f"{HOME}/dags/{name}", name) for name in files] + [(f"{HOME}/config/{DEADLINES}", DEADLINES)]
    mounts = [{"name": NAME, "mountPath": path, "subPath": name, "readOnly": True} for path, name in places]
    values = {"volumes": [{"name": NAME, "configMap": {"name": NAME}}], "volumeMounts": mounts}
    return yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=200)

"""The wheels as a user gets them: built, and installed where nothing of the checkout is in reach."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.settings import ROOT


@dataclass(frozen=True)
class Wheel:
    """An environment with the wheels in it, and a directory to call their programs in."""

    bin: Path
    there: Path

    @property
    def package(self) -> Path:
        (found,) = self.bin.parent.glob("lib/python*/site-packages/harness")
        return found

    def call(self, program: str, *words: str, timeout: float = 600, **env: str) -> subprocess.CompletedProcess[str]:
        """Nothing that is set for this process is set for that one, but where programs and caches are."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_CHAOS_", "PY", "UV_"))
        }
        command = [str(self.bin / program), *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self.there, timeout=timeout, env={**kept, **env}
        )


def install(folder: Path) -> Wheel:
    """Build both wheels and install them in an environment with what is locked, from uv's cache where it has it all."""
    venv, dist, there = folder / "venv", folder / "dist", folder / "there"
    there.mkdir()
    for project in (ROOT, ROOT / "chaosairflow"):
        _uv("build", "--quiet", "--wheel", "--out-dir", str(dist), str(project))
    locked = ("--frozen", "--no-dev", "--no-install-project", "--python", sys.executable)
    _uv("sync", "--quiet", *locked, UV_PROJECT_ENVIRONMENT=str(venv))
    _uv("pip", "install", "--quiet", "--no-deps", "--python", str(venv), *map(str, sorted(dist.glob("*.whl"))))
    return Wheel(venv / "bin", there)


def _uv(*words: str, **env: str) -> None:
    """The uv that the Makefile calls. Whatever it has is taken without asking an index, which need not answer."""
    command = ["sh", str(ROOT / "bin" / "uv"), *words]
    for more in (["--offline"], []):
        done = subprocess.run(
            [*command, *more], capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **env}
        )
        if done.returncode == 0:
            return
    raise AssertionError(f"uv {' '.join(words)}: {done.stdout}{done.stderr}")

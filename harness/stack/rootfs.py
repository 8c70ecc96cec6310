"""The Debian root file system under the recipes: built from packages, since no image can be taken for granted."""

from __future__ import annotations

import os
from collections.abc import Callable
from shutil import which

from harness.errors import CommandFailed, UsageError
from harness.process import run
from harness.settings import Settings
from harness.stack.engine import apt_install
from harness.stack.recipes import Table

MAKE_SECONDS = 900


def ensure_base(settings: Settings, table: Table, say: Callable[[str], None]) -> str:
    """Build and import the root file system if it is not there yet, and return its reference."""
    reference = f"airflow-chaos/base:{table.base_key()}"
    try:
        run(["docker", "image", "inspect", reference], timeout=30)
    except CommandFailed:
        pass
    else:
        return reference
    if os.geteuid() != 0:
        raise UsageError("only root can build a root file system; run as root, or use --images=pull")
    say("building the Debian root file system")
    if which("mmdebstrap") is None:
        apt_install(("mmdebstrap",))
    tar = settings.cache / "base.tar"
    packages = ",".join(table.base.packages)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}"]
    command += [f"--dpkgopt=path-exclude={path}" for path in table.base.exclude]
    run([*command, table.base.suite, str(tar)], timeout=MAKE_SECONDS)
    run(["docker", "import", "--change", 'CMD ["/bin/sh"]', str(tar), reference], timeout=300)
    tar.unlink()
    return reference

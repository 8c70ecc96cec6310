"""The Docker engine: use a running one, else start an installed one, else install Debian's.

Debian 12's own engine cannot start privileged containers where CAP_SYS_RESOURCE is missing, so the programs come from
Debian 13's packages. They are unpacked into our cache rather than installed: dpkg's state stays clean, and what the
machine had on PATH stays as it was. `runc` and `iptables` need the machine's own C library, so apt installs those.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.errors import CommandFailed, UsageError
from harness.process import run
from harness.settings import Settings
from harness.wait import until

SUITE = "trixie"
UNPACKED = ("docker.io", "docker-cli", "docker-buildx", "containerd")
INSTALLED = ("ca-certificates", "iptables", "libdevmapper1.02.1", "procps", "runc")
START_SECONDS = 60


@dataclass(frozen=True)
class Engine:
    """What is there: `running` answers, `installed` could be started, `installable` could be installed."""

    running: bool
    installed: bool
    installable: bool

    def plan(self) -> str:
        """What `ensure` will do, for `doctor`."""
        if self.running:
            return "running: it will be used"
        if self.installed:
            return "installed but not running: it will be started"
        if self.installable:
            return "not installed: it will be unpacked from Debian's packages, and runc and iptables installed"
        return "not installed: install Docker and start it (it is installed for you only on Debian, as root)"


def look(settings: Settings) -> Engine:
    """See what engine there is; changes nothing."""
    use(settings)
    return Engine(answers(), shutil.which("dockerd") is not None, os.geteuid() == 0 and _debian())


def use(settings: Settings) -> None:
    """Put our unpacked programs in front of PATH, if there are any: kind calls `docker` by its name."""
    ours = [str(_root(settings) / "usr" / d) for d in ("bin", "sbin") if (_root(settings) / "usr" / d).is_dir()]
    path = os.environ.get("PATH", "").split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([*(d for d in ours if d not in path), *path])


def answers() -> bool:
    """Whether an engine answers. `docker info` cannot tell: it exits with 0 even if none does."""
    try:
        return bool(run(["docker", "version", "--format", "{{.Server.Version}}"], timeout=20).strip())
    except CommandFailed:
        return False


def ensure(settings: Settings) -> None:
    """Get a running engine. Raises `UsageError` on a machine where only the user can do that."""
    engine = look(settings)
    if engine.running:
        return
    if not engine.installed:
        if not engine.installable:
            raise UsageError(f"no Docker engine answers; {engine.plan()}")
        _install(settings)
        use(settings)
    if os.geteuid() != 0:
        raise UsageError("a Docker engine is installed but does not answer, and only root can start it: start Docker")
    _start(settings)


def buildx(settings: Settings) -> list[str]:
    """The command that builds images: Debian's plugin called by its path, else the engine's own."""
    plugin = _root(settings) / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-buildx"
    return [str(plugin)] if plugin.exists() else ["docker", "buildx"]


def _start(settings: Settings) -> None:
    log = settings.cache / "dockerd.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as out:
        # It outlives us on purpose: it holds the images and the cluster.
        subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    until(answers, bool, what=f"the Docker engine (its log is {log})", timeout=START_SECONDS)


def _install(settings: Settings) -> None:
    root = _root(settings)
    fresh = root.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    apt_install(INSTALLED)
    debs = _download(UNPACKED, fresh)
    for deb in debs:
        run(["dpkg-deb", "--extract", str(deb), str(fresh)], timeout=120)
        deb.unlink()
    shutil.rmtree(root, ignore_errors=True)
    fresh.rename(root)


def apt_install(packages: tuple[str, ...]) -> None:
    """Install packages of the machine's own suite."""
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "--quiet"], timeout=300, env=env)
    run(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages], timeout=600, env=env)


def _download(packages: tuple[str, ...], into: Path) -> list[Path]:
    """Fetch packages of another suite through the machine's own mirrors, with separate package lists."""
    lists = into / "lists"
    (lists / "partial").mkdir(parents=True)
    sources = into / "engine.sources"
    sources.write_text(other_suite(_sources(), _codename(), SUITE), encoding="utf-8")
    options = [f"Dir::Etc::SourceList={sources}", "Dir::Etc::SourceParts=-", f"Dir::State::Lists={lists}"]
    apt = ["apt-get", "--quiet", *(word for option in options for word in ("-o", option))]
    run([*apt, "update"], timeout=300)
    run([*apt, "download", *packages], timeout=600, cwd=into)
    shutil.rmtree(lists)
    sources.unlink()
    return sorted(into.glob("*.deb"))


def other_suite(sources: str, codename: str, suite: str) -> str:
    """The deb822 stanzas of Debian's own archive alone, with `suite` instead of the machine's."""
    stanzas = []
    for stanza in re.split(r"\n\s*\n", sources):
        lines = [line for line in stanza.splitlines() if line.strip() and not line.startswith("#")]
        suites = next((line for line in lines if line.lower().startswith("suites:")), "")
        if codename in suites.split():
            stanzas.append("\n".join(f"Suites: {suite}" if line == suites else line for line in lines))
    if not stanzas:
        raise UsageError(f"apt names no source for Debian's suite {codename}, so an engine cannot be downloaded")
    return "\n\n".join(stanzas) + "\n"


def _sources() -> str:
    parts = sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))
    texts = [part.read_text(encoding="utf-8") for part in parts]
    listed = Path("/etc/apt/sources.list")
    if listed.exists():
        texts.append(_deb822(listed.read_text(encoding="utf-8")))
    return "\n\n".join(texts)


def _deb822(listed: str) -> str:
    """One-line sources as stanzas; options in brackets other than signed-by are dropped."""
    stanzas = []
    for line in listed.splitlines():
        match = re.match(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<rest>.+)", line)
        if match:
            signed = re.search(r"signed-by=(\S+)", match["options"] or "")
            stanza = f"Types: deb\nURIs: {match['uri']}\nSuites: {match['suite']}\nComponents: {match['rest']}"
            stanzas.append(stanza + (f"\nSigned-By: {signed[1]}" if signed else ""))
    return "\n\n".join(stanzas)


def _root(settings: Settings) -> Path:
    return settings.cache / "engine"


def _debian() -> bool:
    return _release().get("ID") == "debian" and shutil.which("apt-get") is not None


def _codename() -> str:
    return _release().get("VERSION_CODENAME", "")


def _release() -> dict[str, str]:
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {key: value.strip('"') for key, value in pairs}


def unattended() -> bool:
    """Whether nobody can be asked: CI systems set `CI`."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")

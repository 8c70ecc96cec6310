"""The node image that carries all other images, so that no node has to load them one by one after each start."""

from __future__ import annotations

import subprocess
import uuid

from harness.errors import CommandFailed
from harness.process import run
from harness.stack.recipes import FOLDER, Table
from harness.wait import until

IMPORT_SECONDS = 900
SCRIPTS = FOLDER / "bundle"
CANNOT_SHARE = 3  # images/bundle/finish.sh says so
CTR = ("ctr", "--namespace=k8s.io")


def reference(table: Table, names: tuple[str, ...], how: str) -> str:
    """The name of the node image that carries `names`."""
    return f"airflow-chaos/bundle:{table.bundle_key((*names, 'node'), how + _script('prepare') + _script('finish'))}"


def make(node: str, images: dict[str, str], result: str, *, unpack: bool) -> None:
    """Import `images` (published reference → local reference) into `node` and commit it as `result`.

    With `unpack` they are unpacked there once, if possible, instead of on every node when it first needs them.
    """
    try:
        _make(node, images, result, unpack=unpack)
    except CommandFailed as cause:
        if not unpack or cause.returncode != CANNOT_SHARE:
            raise
        _make(node, images, result, unpack=False)


def load(container: str, images: dict[str, str]) -> None:
    """Import `images` (published reference → local reference) into a running node, except those that it has."""
    there = run(["docker", "exec", container, *CTR, "images", "list", "--quiet"], timeout=60).split()
    absent = {p: local for p, local in images.items() if _canonical(local.split("@", maxsplit=1)[0]) not in there}
    if absent:
        _import(container, absent, unpack=True)


def forget_others(container: str, reference: str) -> None:
    """Remove all other tags of this image from a running node; pods that run one keep running."""
    name = _canonical(reference).rpartition(":")[0]
    there = run(["docker", "exec", container, *CTR, "images", "list", "--quiet"], timeout=60).split()
    old = [one for one in there if one.startswith(f"{name}:") and one != _canonical(reference)]
    if old:
        run(["docker", "exec", container, *CTR, "images", "remove", *old], timeout=60)


def _make(node: str, images: dict[str, str], result: str, *, unpack: bool) -> None:
    """The container is removed whatever happens, and the result is named last: an interruption leaves no half image."""
    name = f"airflow-chaos-bundle-{uuid.uuid4().hex[:8]}"
    start = ["docker", "run", "--detach", "--name", name, "--privileged", "--mount=type=volume,dst=/mnt"]
    run([*start, "--entrypoint", "sleep", node, "infinity"], timeout=120)
    try:
        run(["docker", "exec", name, "sh", "-c", _script("prepare")], timeout=30)
        run(["docker", "exec", "--detach", name, "containerd"], timeout=30)
        until(lambda: _answers(name), bool, what="containerd in the node image", timeout=60)
        _import(name, images, unpack=unpack)
        run(["docker", "exec", name, "pkill", "-x", "containerd"], timeout=30)
        run(["docker", "exec", name, "sh", "-c", _script("finish")], timeout=IMPORT_SECONDS)
        entry = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        run(["docker", "commit", "--change", entry, name, result], timeout=IMPORT_SECONDS)
    finally:
        run(["docker", "rm", "--force", "--volumes", name], timeout=120)


def _import(name: str, images: dict[str, str], *, unpack: bool) -> None:
    """All images in one stream, so that shared layers travel once."""
    load = ["docker", "exec", "--interactive", name, *CTR, "images", "import", "--local"]
    load += [] if unpack else ["--no-unpack"]
    load += ["--label=io.cri-containerd.pinned=pinned", "-"]
    with subprocess.Popen(["docker", "save", *images.values()], stdout=subprocess.PIPE) as save:
        assert save.stdout is not None
        try:
            loaded = subprocess.run(load, stdin=save.stdout, capture_output=True, check=False, timeout=IMPORT_SECONDS)
        except subprocess.TimeoutExpired as cause:
            raise CommandFailed(f"the images were not imported within {IMPORT_SECONDS} s", None, "") from cause
        finally:
            save.stdout.close()  # or `docker save` would wait for ever for a reader that failed
    if save.returncode != 0 or loaded.returncode != 0:
        said = loaded.stderr.decode(errors="replace")[-2000:]
        raise CommandFailed(f"the images could not be put into the node image: {said}", loaded.returncode, said)
    for published, local in images.items():
        stored = _canonical(local.split("@")[0])
        if stored != _canonical(published):
            run(["docker", "exec", name, *CTR, "images", "tag", "--force", stored, _canonical(published)], timeout=60)


def _script(name: str) -> str:
    return (SCRIPTS / f"{name}.sh").read_text(encoding="utf-8")


def _canonical(reference: str) -> str:
    """A reference as containerd spells it: with a registry."""
    first = reference.split("/", maxsplit=1)[0]
    return reference if "." in first or ":" in first else f"docker.io/{reference}"


def _answers(name: str) -> bool:
    try:
        run(["docker", "exec", name, *CTR, "version"], timeout=20)
    except CommandFailed:
        return False
    return True

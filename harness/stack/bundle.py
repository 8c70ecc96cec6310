"""The node image that carries all other images, so that no node has to load them one by one after every start."""

from __future__ import annotations

import subprocess
import uuid

from harness.errors import CommandFailed
from harness.process import run
from harness.settings import Settings
from harness.stack.recipes import Table
from harness.wait import until

IMPORT_SECONDS = 900
# kind puts /var on a volume, into which Docker would copy all images anew for every node. So the packed images stay
# outside it, shared by all nodes as a layer of the node image, and only what a node unpacks is on its volume.
MOVE_CONTENT = r"""
mkdir -p /kind/containerd /var/lib/containerd/unpacked
packed=/var/lib/containerd/io.containerd.content.v1.content
[ ! -d $packed ] || mv /var/lib/containerd/io.* /kind/containerd/
sed -i '/^version/a root = "/kind/containerd"' /etc/containerd/config.toml
cat >>/etc/containerd/config.toml <<END

[plugins."io.containerd.snapshotter.v1.overlayfs"]
  root_path = "/var/lib/containerd/unpacked"
END
"""
CTR = ("ctr", "--namespace=k8s.io")


def reference(table: Table, names: tuple[str, ...], how: str) -> str:
    """The name of the node image that carries `names`."""
    return f"airflow-chaos/bundle:{table.bundle_key((*names, 'node'), how + MOVE_CONTENT)}"


def make(settings: Settings, node: str, images: dict[str, str], result: str) -> None:
    """Import `images` (published reference → local reference) into `node` and commit it as `result`.

    The container is removed whatever happens, and the result is named last: an interruption leaves no half image.
    """
    name = f"airflow-chaos-bundle-{uuid.uuid4().hex[:8]}"
    start = ["docker", "run", "--detach", "--name", name, "--privileged", "--entrypoint", "sleep", node, "infinity"]
    run(start, timeout=120)
    try:
        run(["docker", "exec", name, "sh", "-c", MOVE_CONTENT], timeout=30)
        run(["docker", "exec", "--detach", name, "containerd"], timeout=30)
        until(lambda: _answers(name), bool, what="containerd in the node image", timeout=60)
        _import(name, images)
        run(["docker", "exec", name, "pkill", "-x", "containerd"], timeout=30)
        entry = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        run(["docker", "commit", "--change", entry, name, result], timeout=IMPORT_SECONDS)
    finally:
        run(["docker", "rm", "--force", "--volumes", name], timeout=120)


def _import(name: str, images: dict[str, str]) -> None:
    """One stream of all images, so that layers which they share travel once."""
    load = ["docker", "exec", "--interactive", name, *CTR, "images", "import", "--no-unpack"]
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
        run(["docker", "exec", name, *CTR, "images", "tag", "--force", stored, _canonical(published)], timeout=60)


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

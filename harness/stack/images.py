"""Images: pulled where a registry answers, built from packages where none does; and the node image that carries them.

What is built here is named `airflow-chaos/<name>:<key>` in the engine, so it never takes a published name there. Only
inside the nodes does each image have its published reference, which the manifests use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile, which
from tempfile import TemporaryDirectory

from harness import process
from harness.errors import CommandFailed, UsageError
from harness.process import run
from harness.settings import Settings
from harness.stack import bundle, engine, gobuild
from harness.stack.recipes import FOLDER, PREFIX, Image, Table, taken_in
from harness.stack.rootfs import ensure_base

PULL_SECONDS = 900
BUILD_SECONDS = 1800
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How this machine gets its images: `how` is pull or build; `missing` are those it does not have yet."""

    how: str
    missing: tuple[str, ...]
    node: str


def plan(settings: Settings, table: Table) -> Plan:
    """What `ensure` would do; changes nothing. Mode auto goes by what is there, then by whether a pull works."""
    how: str = settings.images
    if how == "auto":
        how = "build" if _present(bundle.reference(table, _carried(table, "build"), "build")) else _reachable(table)
    node = bundle.reference(table, _carried(table, how), how)
    missing = () if _present(node) else tuple(n for n in _wanted(table, how) if not _present(_local(table, n, how)))
    return Plan(how, missing, node)


def ensure(settings: Settings, table: Table, say: Say) -> str:
    """Get the node image, with all other images in it, and return its reference."""
    todo = plan(settings, table)
    gobuild.build(settings, table, "kind")
    gobuild.build(settings, table, "metallb")
    if not _present(todo.node):
        (_build_all if todo.how == "build" else _pull_all)(settings, table, say)
        say("putting all images into the node image")
        names = _carried(table, todo.how)
        sources = {table.images[n].published: _local(table, n, todo.how) for n in names}
        bundle.make(_local(table, "node", todo.how), sources, todo.node, unpack=todo.how == "build")
        _prune(table, todo.node)
    gobuild.drop_caches(settings)
    return todo.node


def addons_in(table: Table, manifests: str) -> tuple[str, ...]:
    """The images that these manifests name, and that the node image does not carry."""
    return tuple(n for n, image in table.images.items() if image.addon and image.published in manifests)


def ensure_addon(settings: Settings, table: Table, names: Sequence[str], nodes: Sequence[str], say: Say) -> None:
    """Get images that the node image does not carry, and put them into these nodes of the cluster."""
    how = plan(settings, table).how
    for name in names:
        _come_to(settings, table, name, how, say)
    local = {table.images[name].published: _local(table, name, how) for name in names}
    for node in nodes:
        bundle.load(node, local)


def ensure_own(settings: Settings, table: Table, name: str, nodes: Sequence[str], say: Say) -> str:
    """As `ensure_addon`, for an image that only we have; returns its reference, which contains its key. Older ones are
    removed from these nodes."""
    how = plan(settings, table).how
    _come_to(settings, table, name, how, say)
    reference = _local(table, name, how)
    for node in nodes:
        say(f"putting {reference} onto {node}")
        bundle.load(node, {reference: reference})
        bundle.forget_others(node, reference)
    return reference


def _come_to(settings: Settings, table: Table, name: str, how: str, say: Say) -> None:
    """Get one image, after the one that it is built on."""
    image = table.images[name]
    if _present(_local(table, name, how)):
        return
    if how == "pull" and not image.ours:
        _pull(settings, table, [name], say)
        return
    if image.on:
        _come_to(settings, table, image.on, how, say)
    _compile(settings, table, list(image.programs), say)
    _build(settings, table, [name], say, how)


def _prune(table: Table, node: str) -> None:
    """Remove what newer recipes replaced. An image in use by a standing cluster stays until that is replaced too."""
    wanted = {node, f"{PREFIX}/base:{table.base_key()}", *(_local(table, n, "build") for n in table.images)}
    form = "{{.Repository}}:{{.Tag}}"
    for reference in run(["docker", "images", f"{PREFIX}/*", "--format", form], timeout=30).split():
        if reference not in wanted:
            try:
                run(["docker", "rmi", reference], timeout=120)
            except CommandFailed:
                continue


def _build_all(settings: Settings, table: Table, say: Say) -> None:
    if which("apt-get") is None:
        raise UsageError("images can be built from packages on Debian only; pull them: --images=pull")
    wanted = [n for n in _wanted(table, "build") if not _present(_local(table, n, "build"))]
    groups = list(dict.fromkeys(p for n in wanted for p in table.images[n].programs))
    plain = [n for n in wanted if not table.images[n].programs]
    # Compiling keeps both cores busy except while linking; the other recipes' packages download meanwhile.
    with ThreadPoolExecutor(max_workers=2) as lanes:
        compiled = lanes.submit(_compile, settings, table, groups, say)
        packed = lanes.submit(_build, settings, table, plain, say)
        try:
            for lane in (packed, compiled):
                lane.result()
        except BaseException:  # also Ctrl-C: the other lane would go on for minutes
            process.end_all()
            raise
    _build(settings, table, [n for n in wanted if n not in plain], say)


def _compile(settings: Settings, table: Table, groups: list[str], say: Say) -> None:
    for name in groups:
        if not gobuild.stands(settings, table, name):
            say(f"compiling {name}")
        gobuild.build(settings, table, name)


def _build(settings: Settings, table: Table, names: list[str], say: Say, how: str = "build") -> None:
    for name in names:
        on = table.images[name].on
        below = _local(table, on, how) if on else ensure_base(settings, table, say)
        say(f"building the image {name}")
        _build_one(settings, table, name, below)


def _build_one(settings: Settings, table: Table, name: str, below: str) -> None:
    """`below` is the image to use for the recipe's FROM."""
    image = table.images[name]
    contexts = {p: gobuild.build(settings, table, p) for p in image.programs}
    contexts["uv"] = Path(gobuild.uv()).parent
    command = [*engine.buildx(settings), "build", "--network=host", "--progress=plain", "--load", "--provenance=false"]
    command += ["--build-context", f"{PREFIX}/{image.on or 'base'}=docker-image://{below}"]
    command += [word for p, path in contexts.items() for word in ("--build-context", f"{p}={path}")]
    command += ["--target", image.target] if image.target else []
    bundle_of_cas = Path("/etc/ssl/certs/ca-certificates.crt")
    if bundle_of_cas.exists():
        command += ["--secret", f"id=ca,src={bundle_of_cas}"]
    with _staged(settings, image) as suite:
        command += ["--build-context", f"suite={suite}"] if image.sources else []
        command += ["--file", str(FOLDER / image.recipe / "Dockerfile")] if image.context else []
        command += ["--tag", _local(table, name, "build"), str(FOLDER / (image.context or image.recipe))]
        run(command, timeout=BUILD_SECONDS)


@contextmanager
def _staged(settings: Settings, image: Image) -> Iterator[Path]:
    """A folder that holds only the sources that the image takes in."""
    settings.cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=settings.cache) as folder:
        for name, path in taken_in(image):
            copy = Path(folder, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copyfile(path, copy)
        yield Path(folder)


def _pull_all(settings: Settings, table: Table, say: Say) -> None:
    _pull(settings, table, list(_wanted(table, "pull")), say)


def _pull(_settings: Settings, table: Table, names: list[str], say: Say) -> None:
    for name in names:
        reference = table.images[name].pinned
        if not _present(reference):
            say(f"pulling {reference}")
            run(["docker", "pull", "--quiet", reference], timeout=PULL_SECONDS)


def _wanted(table: Table, how: str) -> tuple[str, ...]:
    return tuple(n for n, image in table.images.items() if not image.addon and (how == "build" or not image.node))


def _carried(table: Table, how: str) -> tuple[str, ...]:
    return tuple(n for n in _wanted(table, how) if n != "node")


def _local(table: Table, name: str, how: str) -> str:
    image = table.images[name]
    return f"{PREFIX}/{name}:{table.image_key(name)}" if how == "build" or image.ours else image.pinned


def _present(reference: str) -> bool:
    try:
        run(["docker", "image", "inspect", "--format", "{{.Id}}", reference], timeout=30)
    except CommandFailed:
        return False
    return True


def _reachable(table: Table) -> str:
    """`pull` if the registry of the node image answers, else `build`."""
    if _present(table.images["node"].pinned):
        return "pull"
    try:
        run(["docker", "manifest", "inspect", table.images["node"].pinned], timeout=30)
    except CommandFailed:
        return "build"
    return "pull"

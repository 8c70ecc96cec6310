"""Where faults may be injected: which cluster a kubeconfig leads to, and whether its owner lets us in.

The server is asked before the first call to a namespace, and again before each fault: the owner may have taken
the label away, or the kubeconfig may lead to another cluster by now. A namespace keeps its uid for life, so one
with another uid is a different one, or is in another cluster.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.errors import UsageError
from harness.settings import Settings

ALLOW_LABEL = "airflow-chaos/allow"
_CAPITALISED = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_LETTERS = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Place:
    """A cluster as a kubeconfig names it; `trust` is a digest of how its server is reached and checked."""

    context: str
    cluster: str
    server: str
    trust: str

    def __str__(self) -> str:
        return f"context {self.context} ({self.server})"


@dataclass(frozen=True)
class Namespace:
    """A namespace as the server has it."""

    uid: str
    labels: dict[str, str]


class Permit:
    """One cluster's permit to be broken; `ask` gives a namespace from its server, or None if there is none."""

    def __init__(self, settings: Settings, place: Place, ours: bool, ask: Callable[[str], Namespace | None]) -> None:
        self._settings = settings
        self._place = place
        self._ours = ours
        self._ask = ask
        self._known: dict[str, str] = {}

    def guard(self, namespace: str) -> None:
        """Raises `UsageError` by name unless we made this cluster or the namespace's owner allows us in."""
        if not self._ours and namespace not in self._known:
            self._admit(namespace)

    def confirm(self, namespace: str) -> None:
        """Ask again, whatever was said before. Raises `UsageError` if it is no longer so, or no longer the same."""
        now = place_of(self._settings)
        if now != self._place:
            raise UsageError(f"the kubeconfig led to {self._place} and leads to {now} now; run again on one of them")
        self._admit(namespace)

    def _admit(self, namespace: str) -> None:
        self.refuse_production(namespace)
        found = self._ask(namespace)
        if not self._ours and (found is None or found.labels.get(ALLOW_LABEL) != "true"):
            raise UsageError(
                f"{self._place} is not ours and its namespace {namespace} is not labelled {ALLOW_LABEL}=true: "
                "make a cluster with `harness up`, or label the namespace to allow faults in it"
            )
        if found is None:
            mend = "make it, or name another in the target's file" if self._settings.target else "run `harness up`"
            raise UsageError(f"the stack is not up: {self._place} has no namespace {namespace}; {mend}")
        if self._known.setdefault(namespace, found.uid) != found.uid:
            raise UsageError(
                f"namespace {namespace} of {self._place} is another one than when the run began; run again"
            )

    def refuse_production(self, namespace: str) -> None:
        """Raises `UsageError`, with nobody asked, if a name of a cluster that is not ours says what it is."""
        if self._ours:
            return
        names = {"context": self._place.context, "cluster": self._place.cluster, "namespace": namespace}
        for kind, name in names.items():
            if word := looks_like_production(name, self._settings.production_words):
                raise UsageError(
                    f"{kind} {name} looks like production, by the word {word!r}, so no fault is injected there: take "
                    "another one, or say in AIRFLOW_CHAOS_PRODUCTION_WORDS which words mean production"
                )


def looks_like_production(name: str, words: Iterable[str]) -> str | None:
    """The first of `words` that is a whole word of the name, whatever its case and whatever stands between words."""
    parts = {part.lower() for part in _CAPITALISED.findall(name)} | set(_LETTERS.findall(name.lower()))
    return next((word for word in words if word.lower() in parts), None)


def place_of(settings: Settings) -> Place:
    """Where the kubeconfig leads: by the target's context, or by the current one where it has none of ours.

    Raises `UsageError` where it names no cluster, or not the target's.
    """
    path, wanted = settings.aim.path, settings.aim.context
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        contexts = {entry["name"]: entry["context"] for entry in said["contexts"]}
        if settings.target and wanted not in contexts:
            raise UsageError(f"{path} has no context {wanted}, which is the target's; there are: {', '.join(contexts)}")
        context = wanted if wanted in contexts else said["current-context"]
        cluster = contexts[context]["cluster"]
        (about,) = [entry["cluster"] for entry in said["clusters"] if entry["name"] == cluster]
        return Place(str(context), str(cluster), str(about["server"]), _digest(about, path.parent))
    except (yaml.YAMLError, OSError, LookupError, TypeError, ValueError) as cause:
        raise UsageError(nowhere(path)) from cause


def nowhere(kubeconfig: Path) -> str:
    """What is said where a kubeconfig of ours leads to no cluster."""
    return f"the stack is not up: {kubeconfig} names no cluster; run `harness up`"


def _digest(about: dict[str, Any], folder: Path) -> str:
    authority = about.get("certificate-authority")
    content = (folder / authority).read_bytes() if authority else b""
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode() + content).hexdigest()

"""One release replaced by another: when was the database migrated, and when did every pod run the new release? Proved
by the database's own revision, by what is installed in each pod, and by what each api-server answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.history import NS, History
from harness.judge.checks import measured, some, unknown
from harness.judge.faults import Target, serves, targets
from harness.judge.sightings import Sightings
from harness.outcome import Check
from harness.slo import Bound

ACTION, API_SERVER = "upgrade", "api-server"
MIGRATED, COMPLETE = "upgrade.migrated", "upgrade.complete"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class _Look(_Record):
    """What was seen at one moment; the tables are keyed by pod name."""

    revision: str
    images: dict[str, str]
    installed: dict[str, str]
    answers: dict[str, str]

    @property
    def releases(self) -> set[str]:
        return {*self.installed.values(), *self.answers.values()}


class _Told(_Record):
    """What the proof of an upgrade says: the image that all were to have, what was seen before and after, and when the
    Job had migrated the database and every pod had the image; None if that was not seen."""

    image: str
    before: _Look
    after: _Look
    migrated_t: int | None
    complete_t: int | None


def doubt(target: Target, seen: Sightings) -> str | None:
    """Why it is not proved that another release replaced this pod's, or None if it is."""
    told = _read(target)
    if isinstance(told, str):
        return told
    if told.migrated_t is None:
        return f"nobody saw the database migrated after {target.name} was to be replaced"
    if told.complete_t is None:
        return f"not every pod had {told.image} in time"
    if not target.injected <= told.migrated_t <= told.complete_t:
        return f"{target.name} was hit after what it led to, which cannot be"
    return _of_pods(told) or _of_releases(told) or _unasked(told, seen)


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Both are measured from the hit, and neither without its proof."""
    return tuple(_check(history, bounds[name]) for name in (MIGRATED, COMPLETE) if name in bounds)


def _check(history: History, bound: Bound) -> Check:
    hit = [target for target in targets(history) if target.action == ACTION]
    if not hit:
        return unknown(bound, "No release was replaced")
    seen = Sightings(history)
    if why := next((why for target in hit if (why := doubt(target, seen))), None):
        return unknown(bound, f"It is not proved that the release was replaced: {why}")
    told = _read(hit[0])
    assert isinstance(told, _Told)
    t = told.migrated_t if bound.name == MIGRATED else told.complete_t
    (old,), (new,) = told.before.releases, told.after.releases
    names = {MIGRATED: (told.before.revision, told.after.revision), COMPLETE: (old, new)}
    before = {MIGRATED: "The database was migrated", COMPLETE: "Every pod ran the new release"}[bound.name]
    start = min(target.injected for target in hit)
    return measured(bound, ((t or 0) - start) / NS, before, f" after the fault ({' → '.join(names[bound.name])})")


def _read(target: Target) -> _Told | str:
    """What its proof says, or why it says nothing."""
    try:
        return _Told.model_validate({name: target.said.get(name) for name in _Told.model_fields})
    except ValidationError:
        return f"nothing says which release ran before and after {target.name} was replaced"


def _of_pods(told: _Told) -> str | None:
    """Each pod must have been asked, and none may have the wrong image."""
    for look, when in ((told.before, "before"), (told.after, "after")):
        silent = sorted(look.images.keys() - look.installed.keys())
        if silent or not look.images or not look.answers:
            return f"{some(silent) or 'an api-server'} was not heard to say which release ran {when}"
    old = sorted(name for name, image in told.after.images.items() if image != told.image)
    early = sorted(name for name, image in told.before.images.items() if image == told.image)
    if old or early:
        return f"{some(old or early)} had {'another image after' if old else 'the new image before'} the upgrade"
    return None


def _of_releases(told: _Told) -> str | None:
    for look, when in ((told.before, "before"), (told.after, "after")):
        if len(look.releases) != 1:
            return f"{some(sorted(look.releases))} all ran {when} the upgrade"
    if told.before.releases == told.after.releases:
        return f"{some(told.after.releases)} ran before the upgrade and after it"
    old, new = told.before.revision, told.after.revision
    same = not old or not new or old == new
    return f"the database's revision was {old or 'unknown'} before, and {new or 'unknown'} after" if same else None


def _unasked(told: _Told, seen: Sightings) -> str | None:
    """Pods that others saw serving, before or in the end, but that were not asked."""
    hit = [target for target in targets(seen.history) if target.action == ACTION]
    components = {target.component for target in hit}
    last = {
        event.uid: event
        for event in seen.history.seen("pod")
        if event.t <= (told.complete_t or 0) and event.value.get("component") in components
    }
    served = [(event.object, event.value.get("component")) for event in last.values() if serves(event)]
    were = [(target.name, target.component) for target in hit]
    for look, some_of in ((told.before, were), (told.after, served)):
        asked = {name: look.answers if component == API_SERVER else look.images for name, component in some_of}
        if missing := sorted(name for name, said in asked.items() if name not in said):
            return f"{some(missing)} served, and was not heard to say which release it is"
    return None

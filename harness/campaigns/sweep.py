"""Every pod of the stack, or every node, hit in turn: a run for each, and one verdict over all. It resumes where it
stopped, and what could not be judged is tried once more."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness import allowed, bounds, ground, recorded, sources
from harness import experiment as experiments
from harness.campaigns import victims
from harness.errors import HarnessError, UsageError, WaitTimeout
from harness.experiment import EXTENSION, Experiment
from harness.files import write
from harness.history import wall_now
from harness.judge.faults import targets
from harness.kube import Kube
from harness.mutant import share
from harness.outcome import Verdict
from harness.preflight import suite_version
from harness.progress.show import Planned, Showing, Watched
from harness.report import sweep as pages
from harness.run import conduct_this
from harness.settings import ROOT, Settings
from harness.stack.steps import Display
from harness.swept import Place, Sweep, Trial, What, same
from harness.wait import until

DOCS, README = ROOT / "docs", ROOT / "README.md"
NAME = "sweep.json"
TEMPLATES: dict[What, str] = dict(zip(("pods", "nodes"), sources.SWEPT, strict=True))
TRIES = 2  # of what could not be judged; each is kept
SETTLES_WITHIN_S = 180.0
AT_WORK = frozenset({"worker", "triggerer"})  # when these die, the tasks that they hold are at stake
OTHER_LOADS = {"triggerer": "triggerer-kill"}  # only deferred tasks put it to work
Say = Callable[[str], None]
_SWEEPS = TypeAdapter(tuple[Sweep, ...])


def begin(what: What, settings: Settings, *, again: bool = False) -> Sweep:
    """The newest sweep of this stack, to resume, or a new one. Raises `UsageError`, with nothing changed, if the stack
    is not steady, or not the one that the sweep began with."""
    if not ground.stands(settings):
        up = f"harness up --stack {settings.stack} --profile {settings.profile}"
        raise UsageError(f"{settings.deployment} is not up; run {up}")
    kube = Kube(settings)
    if away := victims.unsettled(kube, settings):
        raise UsageError(f"the stack is not steady: {away[0]} is not Ready; wait, or run harness up")
    there, left_out = victims.of(kube, settings, what)
    found = None if again else newest(what, settings)
    if found is None:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        return Sweep(
            name=f"sweep-{what}-{settings.deployment}-{stamp}",
            what=what,
            stack=settings.deployment,
            wall=wall_now(),
            version=suite_version(),
            there=there,
            left_out=left_out,
            pods=victims.pods(kube, settings)[0],
        )
    if not same(found.there, there):
        raise UsageError(f"the {what} have changed since {found.name} began; --again begins a new one")
    return found


def newest(what: What, settings: Settings) -> Sweep | None:
    """The sweep that was begun last. Raises `UsageError` if its file is not one of ours."""
    paths = sorted(settings.reports.glob(f"sweep-{what}-{settings.deployment}-[0-9]*.json"))
    if not paths:
        return None
    try:
        return Sweep.model_validate_json(paths[-1].read_text(encoding="utf-8"))
    except (OSError, ValidationError) as cause:
        raise UsageError(f"{paths[-1]} is not a sweep that can be read; move it away and begin again") from cause


def chosen(sweep: Sweep, names: Sequence[str], part: str) -> list[Place]:
    """The victims with these names, or components, in this part. Raises `UsageError` if one is not there."""
    known = {name for place in sweep.there for name in _names(place)}
    if strange := sorted(set(names) - known):
        there = ", ".join(place.name.partition("/")[2] or place.name for place in sweep.there)
        raise UsageError(f"there is no {strange[0]} to be hit; there are: {there}")
    return share([place for place in sweep.there if not names or set(names) & set(_names(place))], part)


def _names(place: Place) -> tuple[str, ...]:
    return place.name, place.name.partition("/")[2] or place.name, place.component


def owed(sweep: Sweep, some: Sequence[Place]) -> list[Place]:
    """The victims that are not judged yet, and were not tried often enough to give up."""
    open_ = (None, Verdict.INVALID)
    return [place for place in some if sweep.verdict_of(place) in open_ and len(sweep.of(place)) < TRIES]


def planned(turns: Sequence[Place], what: What, settings: Settings) -> list[Planned]:
    """The runs to make. Raises `UsageError` if one of them cannot be made."""
    found = []
    for place in turns:
        one = experiment_of(what, place, settings)
        allowed.check(one)
        here = one.at(settings.stack, settings.profile)
        bounds.owed(here, settings)
        found.append(Planned(here, settings.deployment))
    return found


def experiment_of(what: What, aim: Place, settings: Settings) -> Experiment:
    """The sweep's experiment, aimed at this victim. Its component is the victim's, since that decides what is at stake;
    if the common load gives it no work, it has the load of the experiment that is about it."""
    path = sources.named(TEMPLATES[what])
    raw = copy.deepcopy(sources.read(path))
    block, arguments = _block(raw), raw["method"][0]["provider"]["arguments"]
    if what == "nodes":
        arguments["node"] = aim.name
    else:
        namespace, _, name = aim.name.partition("/")
        arguments |= {"selector": victims.selector(aim), "name": name, "namespace": namespace}
        arguments["pick"] = "one-at-work" if aim.component in AT_WORK else "one"
        block["component"] = aim.component
        block["watch"] = [] if namespace in settings.aim.namespaces else [namespace]
        if other := OTHER_LOADS.get(aim.component):
            load = _block(sources.read(sources.named(other)))
            block |= {key: load[key] for key in ("workload", "writer") if key in load}
    raw["title"] = f"{raw['title']}: {aim.name}"
    return experiments.check(path.stem, raw, path.name)


def _block(raw: Any) -> dict[str, Any]:
    found: dict[str, Any] = next(block for block in raw["extensions"] if block["name"] == EXTENSION)
    return found


def run(
    sweep: Sweep, turns: Sequence[Place], settings: Settings, showing: Showing, display: Display, say: Say
) -> Sweep:
    """Hit each in turn, and save each result. Raises if the first run is refused."""
    here = _Round(settings, display)
    for number, place in enumerate(turns, start=1):
        for _ in range(TRIES):
            with showing.watching(number) as watch:
                trial = here.attempt(sweep, place, watch)
            sweep = sweep.with_(trial)
            _keep(sweep, settings)
            bad = ", ".join(trial.failed or trial.doubted) or trial.because
            say(f"{place.name}: {trial.verdict}{f' ({bad})' if bad else ''} {trial.run_id}".rstrip())
            if here.interrupted or sweep.verdict_of(place) is not Verdict.INVALID:
                break
        if here.interrupted:
            break
    return _looked_again(sweep, settings)


@dataclass
class _Round:
    """One call, and how its last run left the stack."""

    settings: Settings
    display: Display
    begun: bool = False
    steady: bool = True
    interrupted: bool = False

    def attempt(self, sweep: Sweep, place: Place, watch: Watched) -> Trial:
        """A refused run is not judged, and says why; if it is the first, its refusal is raised: nothing was broken."""
        trial = Trial(victim=place.uid, wall=wall_now())
        try:
            remade = "" if self.steady else ground.ensure(self.settings, self.display)
            self.steady = False
            aim = self._aim(sweep, place)
            result = conduct_this(experiment_of(sweep.what, aim, self.settings), self.settings, remade, watch.opened)
        except HarnessError as cause:
            if not self.begun:
                raise
            return trial.model_copy(update={"because": str(cause)[:300]})
        finally:
            self.begun = True
        watch.judged(result.outcome)
        self.steady, self.interrupted = result.outcome.verdict is Verdict.PASS, result.interrupted
        return trial.model_copy(update={"hit": proved(result.folder, aim)}).judged(result.outcome)

    def _aim(self, sweep: Sweep, place: Place) -> Place:
        """The very one that was there first, or what replaced it. Raises `HarnessError` if nothing did."""
        kube = Kube(self.settings)
        _settle(kube, self.settings, sweep)
        there, _ = victims.of(kube, self.settings, sweep.what)
        known = {p.uid for p in sweep.there} | {t.hit.uid for t in sweep.trials if t.hit}
        free = [p for p in there if p.slot == place.slot and p.uid not in known]
        if found := [p for p in there if p.uid == place.uid] or free:
            return found[0]
        raise HarnessError(f"nothing replaced {place.name}")


def proved(folder: Path, aim: Place) -> Place | None:
    """What was aimed at, if the history proves that it was hit."""
    hit = [target for target in targets(recorded.read(folder)) if target.proof]
    return aim if any(aim.uid == t.uid or aim.name == t.said.get("node") for t in hit) else None


def _settle(kube: Kube, settings: Settings, sweep: Sweep) -> None:
    """Wait until every pod and node is there again, and Ready. Raises `WaitTimeout`."""
    until(
        lambda: victims.unsettled(kube, settings, sweep.pods),
        lambda away: not away,
        what="every pod of the stack Ready",
        timeout=SETTLES_WITHIN_S,
        every=2,
    )


def _looked_again(sweep: Sweep, settings: Settings) -> Sweep:
    """With what is there in the end, whole or not."""
    kube = Kube(settings)
    with suppress(WaitTimeout):
        _settle(kube, settings, sweep)
    done = sweep.model_copy(update={"after": victims.of(kube, settings, sweep.what)[0]})
    _keep(done, settings)
    return done


def page(sweep: Sweep, settings: Settings) -> Path:
    """The page that shows it."""
    return settings.reports / f"{sweep.name}.html"


def _keep(sweep: Sweep, settings: Settings) -> None:
    write(settings.reports / f"{sweep.name}.json", sweep.model_dump_json(indent=2) + "\n")
    write(page(sweep, settings), pages.page(sweep))


def read(path: Path) -> tuple[Sweep, ...]:
    """The published sweeps; none if there is no file. Raises `UsageError` if it is not one of ours."""
    try:
        return _SWEEPS.validate_json(path.read_text(encoding="utf-8")) if path.is_file() else ()
    except (OSError, ValidationError) as cause:
        raise UsageError(f"{path} cannot be read as sweeps; move it away and publish again") from cause


def publish(sweep: Sweep, docs: Path = DOCS, readme: Path = README) -> None:
    """Write it where readers find it, replacing the last one of its kind and stack."""
    kept = [one for one in read(docs / NAME) if (one.what, one.stack) != (sweep.what, sweep.stack)]
    every = sorted([*kept, sweep], key=lambda one: (one.stack, one.what != "pods"))
    write(docs / NAME, _SWEEPS.dump_json(tuple(every), indent=1).decode() + "\n")
    write(docs / "sweep.md", pages.markdown(every))
    write(readme, pages.within(readme.read_text(encoding="utf-8"), pages.brief(every)))

"""Is there enough evidence to judge by? Missing evidence makes a run INVALID, never PASS and never FAIL."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.errors import HistoryError
from harness.history import NS, History
from harness.judge import aborted, availability, calibration, machine, null, vantage
from harness.judge.checks import amount, measured, plain, some, unknown, when
from harness.judge.contradictions import contradictions
from harness.judge.faults import fault_time, judged_from, planned, span, targets
from harness.judge.happened import doubts, outside
from harness.judge.intervals import gaps, interval
from harness.judge.observers import unheard, unsampled
from harness.judge.runs import runs
from harness.outcome import Check, Verdict, Window
from harness.samples import Ints
from harness.slo import Bound

PHASES = ("baseline", "fault", "recovery", "cooldown")
SLOWER = 1.5  # of the interval that was asked for
LATE_START_NS = 10 * NS  # a third of a baseline; the prober's own processes take one or two seconds to start


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Raises `HistoryError` if meta or operations are malformed."""
    found = [_complete(history), _fault(history), _baseline(history, bounds), _schedule(history)]
    for name, judge in (
        ("evidence.samples", _samples),
        ("evidence.finished_runs", _finished_runs),
        ("evidence.late_samples", _late_samples),
    ):
        if name in bounds:
            found.append(judge(history, bounds[name]))
    return (*found, *calibration.check(history), *machine.check(history))


def _complete(history: History) -> Check:
    name = "evidence.complete"
    if early := aborted.why(history):
        return plain(name, Verdict.INVALID, f"The run did not come to its end: {early}.")
    if history.problem is not None:
        return plain(name, Verdict.INVALID, f"The history is not whole: {history.problem}.")
    seen = [f"{p.name} {p.edge}" for p in history.phases]
    wanted = [f"{phase} {edge}" for phase in PHASES for edge in ("begin", "end")]
    if seen != wanted:
        what = some(seen, len(wanted)) or "nothing"
        return plain(name, Verdict.INVALID, f"The phases must begin and end one after another; recorded were: {what}.")
    if deaf := unheard(history):
        return plain(name, Verdict.INVALID, f"Not everything was seen: {some(deaf)}.")
    if impossible := contradictions(history):
        return plain(name, Verdict.INVALID, f"The history contradicts itself: {some(impossible)}.")
    return plain(name, Verdict.PASS, f"The history is whole: {amount(history.last_t / NS, 's')}, all phases in order.")


def _fault(history: History) -> Check:
    name = "evidence.fault"
    if not planned(history):
        return null.check(name, history)
    if reasons := doubts(history) or outside(history):
        return plain(name, Verdict.INVALID, f"The fault is not proved: {some(reasons)}.")
    hit = targets(history)
    names = some(target.name for target in hit)
    proved = max(target.proof.t for target in hit if target.proof)
    window = Window(start=min(target.injected for target in hit), end=proved, what=f"fault on {names}, until its proof")
    pods = "1 pod" if len(hit) == 1 else f"{len(hit)} pods"
    because = f"The fault hit {pods} ({names}), proved by {when(proved, fault_time(history))}."
    return plain(name, Verdict.PASS, because, [window])


def _baseline(history: History, bounds: dict[str, Bound]) -> Check:
    """The noise floor: with no fault, the same bounds must hold."""
    name = "evidence.baseline"
    if not planned(history):
        return plain(
            name, Verdict.PASS, "Nothing was to be broken: the whole run is the baseline, and is judged as such."
        )
    phase, until = span(history, "baseline"), judged_from(history)
    if phase is None or until is None:
        return plain(name, Verdict.INVALID, "There is no baseline: its phase, or the fault that ends it, is missing.")
    if lost := null.lost(history, until):
        return plain(name, Verdict.INVALID, f"Already before the fault, {lost}.")
    checks = availability.between(history, bounds, phase[0], until)
    windows = [w for c in checks if c.name.endswith(".outage") for w in c.windows]
    if not checks:
        return plain(name, Verdict.INVALID, "There is no baseline: nothing was sampled, or nothing has a bound.")
    worst = max(checks, key=lambda c: c.verdict.rank)
    if worst.verdict is not Verdict.PASS:
        return plain(name, Verdict.INVALID, f"Already before the fault: {worst.because}", windows)
    floor = "; ".join(f"{c.name} {amount(c.measure, c.unit)}" for c in checks if c.measure is not None)
    return plain(name, Verdict.PASS, f"Without a fault, the same bounds held: {floor}.", windows)


def _schedule(history: History) -> Check:
    """Samples that were never made hide outages."""
    name = "evidence.schedule"
    series = history.samples.columns
    reasons = [f"{name} was to be sampled, but was not" for name in _never_sampled(history)]
    reasons += unsampled(history)
    baseline, recovery = span(history, "baseline"), span(history, "recovery")
    rates = _rates(history)
    windows: list[Window] = []
    for key, samples in series.items():
        usual = interval(samples)
        if usual is None:
            reasons.append(f"the interval of {key} cannot be told from {len(samples)} samples")
            continue
        if usual * rates.get((key.vantage, key.target, key.conn), 0) > SLOWER * NS:
            reasons.append(f"{key} was sampled every {amount(usual / NS, 's')}, less often than planned")
        if baseline and (missed := int(samples.due[0]) - baseline[0]) > LATE_START_NS:
            reasons.append(f"{key} was not sampled for the first {amount(missed / NS, 's')}")
        # Load goes on until the recovery ends; in the cooldown, writes stop so that the last runs can end.
        found = gaps(samples, usual, recovery[1] if recovery else None)
        windows += [Window(start=g.start, end=g.end, what=f"{key} was not sampled") for g in found]
    if windows:
        longest = max(windows, key=lambda w: w.end - w.start)
        at = when(longest.start, fault_time(history))
        reasons.append(f"{longest.what} for {amount((longest.end - longest.start) / NS, 's')} from {at}")
    if not series:
        reasons.append("nothing was sampled")
    if reasons:
        return plain(name, Verdict.INVALID, f"The prober did not keep its schedule: {some(reasons)}.", windows)
    return plain(name, Verdict.PASS, f"All {len(series)} series were sampled without a gap.")


def _samples(history: History, bound: Bound) -> Check:
    since = judged_from(history)
    if since is None:
        return unknown(bound, "There was no fault, so no sample came after it")
    counts = [(0, name) for name in _never_sampled(history)]
    counts += [(int((samples.due >= since).sum()), str(series)) for series, samples in history.samples.columns.items()]
    if not counts:
        return unknown(bound, "Nothing was sampled")
    least, name = min(counts)
    if least == 0:
        return unknown(bound, f"{name} has no samples after the fault")
    before = f"Samples of {name}, the fewest of {len(counts)} series:"
    return measured(bound, least, before, f" from {when(since, fault_time(history))} on", broken=Verdict.INVALID)


def _finished_runs(history: History, bound: Bound) -> Check:
    done = sum(r.accepted and r.state == "success" for r in history.once(runs).values())
    if done == 0:
        return unknown(bound, "No DAG run ended in success")
    return measured(bound, done, "DAG runs that ended in success:", broken=Verdict.INVALID)


def _late_samples(history: History, bound: Bound) -> Check:
    if not history.samples:
        return unknown(bound, "Nothing was sampled")
    each: list[Ints] = []
    for key, samples in history.samples.columns.items():
        usual = interval(samples)
        if usual is None:
            return unknown(bound, f"The interval of {key} cannot be told from {len(samples)} samples")
        each.append(samples.due[samples.t - samples.due > usual])
    late = np.concatenate(each)
    share = 100 * len(late) / len(history.samples)
    began = f", the first {when(int(late.min()), fault_time(history))}" if len(late) else ""
    before = "Samples started more than one probe interval after they were due:"
    return measured(bound, share, before, f" of {len(history.samples)}{began}", broken=Verdict.INVALID)


def _never_sampled(history: History) -> list[str]:
    """The series that were to be sampled, but have no sample in the run."""
    seen = {(series.vantage, series.target, series.conn) for series in history.samples.columns}
    absent = [one for one in _rates(history) if one not in seen]
    return [f"{target} over {conn} connections{f' from {place}' if place else ''}" for place, target, conn in absent]


def _rates(history: History) -> dict[tuple[str, str, str], float]:
    """The series that the run said it would sample, from which vantage point, and how often per second. Histories
    made by others may not say."""
    probe = history.meta.probe if history.meta else {}
    found = _table(probe.get("targets", {}), "")
    for point in vantage.wanted(history):
        found |= _table(probe["vantage"].get("targets", {}), point)
    return found


def _table(table: Any, place: str) -> dict[tuple[str, str, str], float]:
    try:
        return {
            (place, str(target), str(conn)): float(how.get("rate_hz", 0))
            for target, how in table.items()
            for conn in how["conn"]
        }
    except (AttributeError, KeyError, TypeError, ValueError) as cause:
        raise HistoryError(f"meta.probe.targets must be target → rate_hz, conn; it is {table!r}") from cause

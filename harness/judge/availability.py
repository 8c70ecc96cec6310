"""Did every target answer throughout the fault? Each series is judged alone; the worst one speaks for all."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from harness.history import History
from harness.judge import latency, machine
from harness.judge.checks import measured, plain, unknown, when, worst_of
from harness.judge.faults import fault_time, judged_from
from harness.judge.intervals import Outage, error_share, outage_count, outages
from harness.outcome import Check, Verdict, Window
from harness.samples import Column, Series
from harness.slo import Bound

MOST_WINDOWS = 100
NEVER = math.inf
Judge = Callable[[Bound, Series, Column, int | None], Check]


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Samples that were under way when the fault phase began, or came later."""
    since = judged_from(history)
    return between(history, bounds, NEVER if since is None else since, NEVER)


def between(history: History, bounds: dict[str, Bound], since: float, until: float) -> tuple[Check, ...]:
    """Judge the samples that ended in (since, until]. Every series of the run must have some there.

    A request due before a fault and still under way when it came belongs to the fault, not to the baseline. The
    baseline makes no allowance for what a fault may slow down, except for two samples per series.
    """
    fault = fault_time(history)
    columns = history.samples.columns.items()
    every = {series: samples.where((samples.end > since) & (samples.end <= until)) for series, samples in columns}
    checks: list[Check] = []
    for write, word in ((False, "read"), (True, "write")):
        inside = {series: samples for series, samples in every.items() if series.write is write}
        within = _latency(history, bounds, word, until)
        for judge, kind in ((_outage, "outage"), (_errors, "errors"), (within, "latency")):
            name = f"availability.{word}.{kind}"
            if name in bounds:
                checks.append(_of_the_stack(history, bounds[name], _worst(bounds[name], inside, judge, fault)))
            elif inside and kind != "latency":  # nobody promised it before it could be judged
                why = f"{next(iter(inside))} was sampled, but no bound says what is allowed."
                checks.append(plain(name, Verdict.INVALID, why))
    return tuple(checks)


def _worst(bound: Bound, inside: dict[Series, Column], judge: Judge, fault: int | None) -> Check:
    """The worst series, with the windows of all; if there are too many, the longest."""
    if not inside:
        return unknown(bound, f"No {bound.name.split('.')[1]} was sampled at all")
    each = [
        judge(bound, series, samples, fault)
        if len(samples)
        else unknown(bound, f"{series} has no samples in the time judged")
        for series, samples in inside.items()
    ]
    longest = sorted((w for c in each for w in c.windows), key=lambda w: w.start - w.end)[:MOST_WINDOWS]
    windows = tuple(sorted(longest, key=lambda w: (w.start, w.what)))
    return worst_of(each).model_copy(update={"windows": windows})


def _outage(bound: Bound, series: Series, samples: Column, fault: int | None) -> Check:
    found = outages(samples, MOST_WINDOWS)
    if not found:
        return measured(bound, 0.0, f"{series} answered all of {len(samples)} requests: its longest outage is")
    windows = tuple(_window(series, outage) for outage in found)
    count = outage_count(samples)
    among = f"one of {count} outages, " if count > 1 else ""
    return worst_of(_one(bound, series, o, among, fault) for o in found).model_copy(update={"windows": windows})


def _one(bound: Bound, series: Series, outage: Outage, among: str, fault: int | None) -> Check:
    ending = "not back when sampling ended, " if outage.open else ""
    return measured(
        bound,
        outage.seconds,
        f"{series} did not answer for",
        f" ({outage.requests} requests), {among}{ending}from {when(outage.start, fault)}",
        whole=not outage.open,
    )


def _errors(bound: Bound, series: Series, samples: Column, fault: int | None) -> Check:
    bad = samples.due[samples.bad]
    first = f", the first due {when(int(bad[0]), fault)}" if len(bad) else ""
    before = f"Requests to {series} that were not answered well:"
    return measured(bound, error_share(samples), before, f" of {len(samples)}{first}")


def _of_the_stack(history: History, bound: Bound, found: Check) -> Check:
    """Whatever fails on slow processors, or is slow while others use the machine, breaks no promise of the stack. And a
    share of the time says nothing if only part of the time is known."""
    if found.verdict is not Verdict.FAIL:
        return found
    measured_as = found.because.partition(";")[0]
    if slow := machine.slow(history):
        return unknown(bound, f"{measured_as}, but {slow}")
    if found.name.endswith(".outage"):
        return found
    if history.problem is not None:
        return unknown(bound, f"{measured_as}, but the history is not whole")
    if not found.name.endswith(".latency") or machine.alone(history):
        return found
    return unknown(bound, f"{measured_as}, but the machine was not the stack's own")


def _latency(history: History, bounds: dict[str, Bound], word: str, until: float) -> Judge:
    """A judge of latency. It allows what the other bounds allow, but only from the fault on."""
    if until != NEVER:
        return partial(_answered_within, latency.Allowance(samples=latency.FEWEST))
    outage, errors = (bounds.get(f"availability.{word}.{kind}") for kind in ("outage", "errors"))
    return partial(_answered_within, latency.Allowance.of(outage, errors, latency.replacing(history, bounds)))


def _answered_within(allowed: latency.Allowance, bound: Bound, series: Series, samples: Column, _: int | None) -> Check:
    return latency.judge(bound, series, samples, allowed)


def _window(series: Series, outage: Outage) -> Window:
    state = " (not back at the end)" if outage.open else ""
    return Window(start=outage.start, end=outage.end, what=f"{series} did not answer{state}")

"""What the prober refuses before it starts, how it sets ticks apart, and what its process is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from math import gcd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.history import NS
from harness.observe.prober import Config, Prober, Target
from harness.observe.sampling import phases

GOOD = Target("version", "/api/v2/version", "new", 5)
HERE = "http://127.0.0.1:18080"


def prober(
    base_url: str = HERE, targets: tuple[Target, ...] = (GOOD,), timeout_s: float = 5, most_s: float = 60
) -> Prober:
    return Prober(Path("history.jsonl"), 0, base_url, targets, timeout_s=timeout_s, most_s=most_s)


@pytest.mark.parametrize(
    "base_url",
    [
        HERE,
        "http://localhost:8080",
        "http://[::1]:80",
        "http://10.96.0.1",
        "http://172.18.255.200/",
        "http://192.168.1.7",
    ],
)
def test_addresses_of_this_machine_and_its_networks_are_allowed(base_url: str) -> None:
    prober(base_url)


@pytest.mark.parametrize(
    ("base_url", "why"),
    [
        ("http://8.8.8.8", "public address"),
        ("http://[2001:4860:4860::8888]", "public address"),
        ("http://[::ffff:8.8.8.8]", "public address"),
        ("http://169.254.169.254", "public address"),
        ("http://172.32.0.1", "public address"),
        ("http://example.org", "names no address"),
        ("http://127.0.0.1.example.org", "names no address"),
        ("127.0.0.1:80", "names no address"),
        ("http://127.0.0.1:99999", "names no address"),
        ("https://127.0.0.1", "more than http://address:port"),
        ("http://127.0.0.1/airflow", "more than http://address:port"),
        ("http://me@127.0.0.1", "more than http://address:port"),
    ],
)
def test_other_addresses_are_refused(base_url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        prober(base_url)


@pytest.mark.parametrize(
    ("targets", "timeout_s", "most_s", "why"),
    [
        ((), 5, 60, "asked for: none"),
        ((replace(GOOD, rate_hz=1001),), 5, 60, "at most 1000"),
        ((replace(GOOD, rate_hz=0),), 5, 60, "above 0"),
        ((replace(GOOD, rate_hz=-5), replace(GOOD, conn="reused")), 5, 60, "above 0"),
        ((replace(GOOD, rate_hz=float("nan")),), 5, 60, "above 0"),
        ((GOOD,), 0, 60, "times must be above 0"),
        ((GOOD,), 5, 0, "times must be above 0"),
        ((GOOD,), 5, 1e6, "all requests at most 3.6e[+]06"),
        ((GOOD, GOOD), 5, 60, "version over new connections is given twice"),
    ],
)
def test_load_without_bounds_is_refused(targets: tuple[Target, ...], timeout_s: float, most_s: float, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        prober(targets=targets, timeout_s=timeout_s, most_s=most_s)


@pytest.mark.parametrize(
    "target",
    [
        replace(GOOD, path="no slash"),
        replace(GOOD, path="/two words"),
        replace(GOOD, path="/a HTTP/1.1\r\nX: y"),
        replace(GOOD, path="/ümlaut"),
        replace(GOOD, method="get it"),
        replace(GOOD, conn="old"),  # type: ignore[arg-type]
        replace(GOOD, headers={"X": "a\r\nY: b"}),
        replace(GOOD, headers={"X: y\r\nZ": "a"}),
        replace(GOOD, body="ümlaut"),
    ],
)
def test_what_would_make_another_request_is_refused(target: Target) -> None:
    with pytest.raises(UsageError, match="target version"):
        prober(targets=(target,))


def test_a_refused_header_is_not_shown() -> None:
    with pytest.raises(UsageError) as refusal:
        prober(targets=(replace(GOOD, headers={"Authorization": "Bearer secret\n"}),))
    assert "secret" not in str(refusal.value)


@given(st.lists(st.sampled_from([1, 2, 4, 5, 10, 20, 25, 50, 100]), min_size=1, max_size=6))
def test_ticks_never_coincide_where_the_rates_leave_room(rates: list[int]) -> None:
    intervals = [NS // rate for rate in rates]
    ticks = [
        {first + n * every for n in range(2 * NS // every)}
        for first, every in zip(phases(intervals), intervals, strict=True)
    ]
    assert all(not a & b for a, b in combinations(ticks, 2))


@given(st.lists(st.sampled_from([1, 2, 4, 5, 10, 20]), min_size=1, max_size=8))
def test_series_of_one_rate_leave_no_gap_among_them_that_is_much_longer_than_their_share(rates: list[int]) -> None:
    intervals = [NS // rate for rate in rates]
    starts = phases(intervals)
    for every in set(intervals):
        own = sorted(first for first, one in zip(starts, intervals, strict=True) if one == every)
        longest = max(after - before for before, after in pairwise([*own, own[0] + every]))
        assert longest < every / len(own) + 2 * gcd(*intervals)


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=8))
def test_every_series_begins_within_its_own_first_interval(rates: list[float]) -> None:
    intervals = [round(NS / rate) for rate in rates]
    starts = phases(intervals)
    assert len(set(starts)) == len(starts)
    assert all(0 <= first < every for first, every in zip(starts, intervals, strict=True))


texts = st.text(max_size=20)
some_targets = st.builds(
    Target,
    name=texts,
    path=texts,
    conn=st.sampled_from(["new", "reused"]),
    rate_hz=st.floats(0.1, 1000),
    headers=st.dictionaries(texts, texts, max_size=3),
    must_contain=st.none() | texts,
)


@given(st.lists(some_targets, max_size=4), st.integers(0, 2**63), st.floats(0.1, 10))
def test_the_process_is_told_what_was_meant(targets: list[Target], t0: int, timeout_s: float) -> None:
    config = Config("history.jsonl", t0, HERE, tuple(targets), timeout_s, 60)
    assert "\n" not in config.to_json()
    assert Config.from_json(config.to_json()) == config

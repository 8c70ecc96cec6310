"""The prober runs against a real server with scripted failures, and the result is kept for this machine alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from harness import calibrate
from harness.history import NS
from harness.judge.calibration import Calibration
from harness.settings import Settings

KINDS = {"500", "flap", "hang", "refuse", "slow", "truncate"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path / "cache")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few outages instead of all."""
    monkeypatch.setattr(calibrate, "LENGTHS_S", (0.3, 0.6))


@pytest.mark.usefixtures("short")
def test_every_kind_is_measured_and_kept(settings: Settings) -> None:
    found = calibrate.calibrate(settings, seed=1)
    wanted = {(kind, conn) for kind in KINDS for conn in ("new", "reused")}
    assert {(row.kind, row.conn) for row in found.rows} == wanted
    assert {row.outages for row in found.rows if row.kind != "flap"} == {2}
    assert calibrate.known(settings) == found
    assert [path.name for path in settings.cache.iterdir()] == ["calibration.json"]


def test_nothing_is_known_where_nothing_was_measured_or_it_cannot_be_read(settings: Settings) -> None:
    assert calibrate.known(settings) is None
    settings.cache.mkdir()
    (settings.cache / "calibration.json").write_text("{", encoding="utf-8")
    assert calibrate.known(settings) is None


def test_what_was_found_on_another_machine_is_not_known(settings: Settings) -> None:
    found = Calibration(wall="", machine=calibrate.machine(), interval_ms=1.0, stated_ms=1.0, rows=[])
    settings.cache.mkdir()
    for machine, known in ((calibrate.machine(), True), ("another", False)):
        text = found.model_copy(update={"machine": machine}).model_dump_json()
        (settings.cache / "calibration.json").write_text(text, encoding="utf-8")
        assert (calibrate.known(settings) is not None) is known


@pytest.mark.parametrize("seed", range(20))
def test_a_script_has_every_outage_once_for_each_kind_and_time_to_recover_between(seed: int) -> None:
    spans = calibrate.script(0, 0, seed).spans
    assert spans.keys() == KINDS
    least = round(calibrate.HEALTHY_S * NS)
    for kind, own in spans.items():
        assert own == tuple(sorted(own))
        gaps = [after[0] - before[1] for before, after in pairwise(own)]
        assert min(gaps) >= (round(calibrate.FLAP_S * NS) if kind == "flap" else least)
        if kind != "flap":
            longer = [
                (end - begin) / NS - s for (begin, end), s in zip(sorted(own, key=_length), _lengths(), strict=True)
            ]
            assert all(-1e-6 <= extra <= 1 / calibrate.RATE_HZ + 1e-6 for extra in longer)


def test_the_same_seed_makes_the_same_script() -> None:
    assert calibrate.script(0, 0, 3) == calibrate.script(0, 0, 3)
    assert calibrate.script(0, 0, 3) != calibrate.script(0, 0, 4)


def _length(span: tuple[int, int]) -> int:
    return span[1] - span[0]


def _lengths() -> list[float]:
    return sorted(calibrate.LENGTHS_S)

"""The figures that are kept are those of the last runs, in whatever order they come."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.catalogue.measured import LAST_RUNS, Figures, Measured, added, collect, keep, read
from harness.errors import UsageError
from harness.outcome import Check, Outcome, Verdict

DURATION = "tasks.run_duration"


def outcome(number: int, measure: float, verdict: Verdict = Verdict.PASS, name: str = "null") -> Outcome:
    values = {"limit": 1.0, "unit": "s", "origin": "o", "because": "b", "verdict": verdict}
    checks = [Check(name=n, measure=measure, **values) for n in ("tasks.run_duration", "evidence.samples", "other")]
    none = Check(name="rollback.time", measure=None, **values)
    return Outcome(
        run_id=f"{name}-{number:04}", experiment=name, stack="celery", verdict=verdict, checks=(*checks, none)
    )


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=12), st.integers(0, 12), st.randoms(use_true_random=False))
def test_the_last_runs_alone_count_whatever_the_order_and_however_often(
    measures: list[float], cut: int, random: object
) -> None:
    runs = [outcome(number, measure) for number, measure in enumerate(measures)]
    random.shuffle(runs)  # type: ignore[attr-defined]
    found = added(added(Measured({}), runs[:cut]), runs).seen("null", "celery")
    last = [round(value, 3) for value in measures[-LAST_RUNS:]]
    assert found is not None
    assert found.verdicts == {Verdict.PASS: len(last)}
    assert found.last_run == f"null-{len(measures) - 1:04}"
    assert found.measures["tasks.run_duration"] == (round(median(last), 3), max(last))
    assert found.measures["evidence.samples"] == (round(median(last), 3), min(last))
    assert found.measures.keys() == {"tasks.run_duration", "evidence.samples"}


def test_runs_that_were_summed_up_count_as_so_many_with_their_median() -> None:
    old = Figures(last_run="null-0000", verdicts={Verdict.PASS: 2, Verdict.FAIL: 1}, measures={DURATION: (4, 9)})
    found = added(Measured({"null": {"celery": (old,)}}), [outcome(1, 1), outcome(2, 2)]).seen("null", "celery")
    assert found is not None
    assert found.verdicts == {Verdict.PASS: 4, Verdict.FAIL: 1}
    assert found.measures[DURATION] == (4, 9)


def test_what_was_not_run_again_stays() -> None:
    known = added(Measured({}), [outcome(1, 2.5), outcome(1, 1, name="other")])
    more = added(known, [outcome(2, 3.5, Verdict.FAIL)])
    assert more.root["other"] == known.root["other"]
    assert [f.last_run for f in more.root["null"]["celery"]] == ["null-0001", "null-0002"]


def test_figures_are_kept_as_they_were(tmp_path: Path) -> None:
    found = added(Measured({}), [outcome(1, 2.5), outcome(2, 3.5, Verdict.FAIL), outcome(3, 1, name="other")])
    keep(found, tmp_path / "measured.json")
    assert read(tmp_path / "measured.json") == found


def test_runs_are_collected_from_their_folders(tmp_path: Path) -> None:
    for number, name in enumerate(("null", "null", "unknown")):
        run = outcome(number, number, name=name)
        (tmp_path / run.run_id).mkdir()
        run.save(tmp_path / run.run_id / "verdict.json")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "verdict.json").write_text("{", encoding="utf-8")
    found = collect(Measured({}), tmp_path, ["null"])
    assert {name: len(of["celery"]) for name, of in found.root.items()} == {"null": 2}


@pytest.mark.parametrize("text", [None, "", "{", '{"null": 3}'])
def test_figures_that_cannot_be_read_are_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "measured.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"measured\.json cannot be read"):
        read(path)

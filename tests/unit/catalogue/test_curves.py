"""A curve shows each run where its measure is, and its verdict by a shape; what cannot be seen is told."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from harness.catalogue.curves import FLOOR, TOP, WIDTH, Row, curve
from harness.catalogue.measured import Figures
from harness.outcome import Verdict
from harness.slo import Bound

NAME = "tasks.run_duration"
SVG = "{http://www.w3.org/2000/svg}"


def run(day: int, measure: float | None, verdict: Verdict = Verdict.PASS, count: int = 1, worst: float = 0) -> Figures:
    measures = {} if measure is None else {NAME: (measure, max(measure, worst))}
    return Figures(last_run=f"null-202611{day:02}-120000", verdicts={verdict: count}, measures=measures)


def drawn(*runs: Figures, limit: float = 100.0) -> ElementTree.Element:
    row = Row("celery, <defaults>", Bound(NAME, limit, "s", "o"), runs)
    text = curve("null", [row])
    assert text == curve("null", [row])
    return ElementTree.fromstring(text)  # noqa: S314 - our own text


def texts(root: ElementTree.Element) -> list[str]:
    return [str(one.text) for one in root.iter(f"{SVG}text")]


def dots(root: ElementTree.Element) -> list[tuple[float, float]]:
    group = root.findall(f"{SVG}g")[0]
    return [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in group.iter(f"{SVG}circle")]


def test_measures_dates_limit_and_stack_are_told() -> None:
    said = texts(drawn(run(1, 20), run(28, 99.5)))
    assert {"celery, <defaults>", f"{NAME}, at most 100 s", "20 s", "99.5 s", "1 Nov", "28 Nov", "PASS"} <= set(said)


def test_who_cannot_see_it_is_told_the_figures() -> None:
    title = drawn(run(1, 20), run(2, None)).findtext(f"{SVG}title")
    assert title == f"null, last runs: {NAME} on celery, <defaults> 20 s, not measured"


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=5), st.floats(0, 1000))
def test_a_larger_measure_is_higher_and_all_are_within_the_picture(measures: list[float], limit: float) -> None:
    found = dots(drawn(*(run(day + 1, measure) for day, measure in enumerate(measures)), limit=limit))
    assert len(found) == len(measures)
    assert all(0 <= x <= WIDTH and TOP <= y <= FLOOR for x, y in found)
    assert [x for x, _ in found] == sorted({x for x, _ in found})
    for (_, y), measure in zip(found, measures, strict=True):
        for (_, other_y), other in zip(found, measures, strict=True):
            assert measure >= other or y >= other_y


def test_a_limit_far_away_is_told_and_does_not_flatten_the_curve() -> None:
    near, far = drawn(run(1, 90)), drawn(run(1, 5))
    assert near.find(f".//{SVG}path[@stroke-dasharray]") is not None
    assert far.find(f".//{SVG}path[@stroke-dasharray]") is None
    assert f"{NAME}, at most 100 s (above the picture)" in texts(far)
    assert dots(far) == [(34.0, float(TOP))]


def test_verdicts_differ_in_shape_and_only_those_that_came_are_explained() -> None:
    root = drawn(run(1, 20), run(2, 30, Verdict.FAIL), run(3, None, Verdict.INVALID))
    assert len(dots(root)) == 1
    assert {"PASS", "FAIL", "INVALID"} <= set(texts(root))
    assert "FAIL" not in texts(drawn(run(1, 20)))


def test_runs_that_were_summed_up_are_counted_with_their_worst() -> None:
    root = drawn(run(1, 20, count=5, worst=80), run(2, 40))
    assert "20 s (5)" in texts(root)
    stroke = root.find(f".//{SVG}g/{SVG}path[@stroke-width='2']")
    assert stroke is not None
    assert stroke.attrib["d"] == f"M34 {dots(root)[0][1]:g}V{FLOOR - (FLOOR - TOP) * 80 / 100:g}"

"""The page of the kill matrix: each mutant has its square where it met its experiment, and its row."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.kills import Matrix, Trial
from harness.outcome import Verdict
from harness.report.kills import page, picture
from tests.unit.test_kills import trial

TRIALS = st.lists(
    st.builds(
        trial,
        st.sampled_from(["a", "b", "c", ""]),
        st.sampled_from(list(Verdict)),
        experiment=st.sampled_from(["null", "kill", "hang"]),
        rest=st.booleans(),
    )
)


@given(TRIALS)
def test_every_mutant_has_a_square_of_its_own(trials: list[Trial]) -> None:
    matrix = Matrix(trials=tuple(trials))
    drawn = picture(matrix)
    fates = [square for square in drawn.squares if not square.word.endswith("rest")]
    assert len(fates) == len(drawn.rows) == len(matrix.mutants)
    assert len({square.y for square in fates}) == len(fates)
    assert all(drawn.left <= s.x < drawn.width and drawn.top <= s.y < drawn.height for s in drawn.squares)


def test_the_page_says_what_became_of_each() -> None:
    named = trial("found", Verdict.FAIL, failed=("named",), experiment="kill")
    rest = trial("found", rest=True)
    text = page(Matrix(trials=(named, rest, trial("missed"), trial("", Verdict.FAIL, failed=("tasks.lost",)))))
    assert '<rect class="PASS"' in text
    assert "found against kill: killed by the named check" in text
    assert '<rect class="PASS rest"' in text
    assert '<rect class="FAIL"' in text
    assert "missed against null: survived" in text
    assert "red control" in text


def test_what_a_run_says_is_escaped() -> None:
    text = page(Matrix().with_(trial(verdict=Verdict.FAIL, failed=("other",), because="<script>alert(1)</script>")))
    assert "<script>" not in text

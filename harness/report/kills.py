"""The page of the kill matrix: a picture of who caught what, and a table of how."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby

from harness.kills import Fate, Matrix, Trial, headline
from harness.outcome import Verdict
from harness.report import pages

WORDS = {Fate.NAMED: Verdict.PASS, Fate.OTHER: Verdict.INVALID, Fate.SURVIVED: Verdict.FAIL, Fate.INVALID: None}
SIDE, GAP, EDGE = 14, 4, 12  # px
LETTER = 6.6  # px, of the widest text; names of experiments are slanted by 60 degrees


@dataclass(frozen=True)
class Square:
    """One run in the picture: `word` gives its colour, `none` if nothing was judged."""

    x: int
    y: int
    word: str
    said: str


@dataclass(frozen=True)
class Picture:
    """Mutants from top to bottom, experiments from left to right."""

    width: int
    height: int
    left: int
    top: int
    columns: tuple[tuple[int, str], ...]
    rows: tuple[tuple[int, str], ...]
    squares: tuple[Square, ...]


def page(matrix: Matrix) -> str:
    """All of it, escaped, in one file."""
    classes = [(kind, list(found)) for kind, found in groupby(matrix.mutants, key=lambda trial: trial.kind)]
    return pages.render(
        "kills.html.j2",
        headline=headline(matrix),
        picture=picture(matrix),
        classes=classes,
        rest={trial.mutant: matrix.at_rest(trial.mutant) for trial in matrix.mutants},
        red=matrix.red,
        word={fate.value: word_of(fate) for fate in Fate},
    )


def picture(matrix: Matrix) -> Picture:
    """A square where a mutant met an experiment: filled by its fate, outlined by its verdict at rest."""
    mutants = matrix.mutants
    shown = [*mutants, *(rest for m in mutants if (rest := matrix.at_rest(m.mutant)))]
    names = sorted({trial.experiment for trial in shown})
    left = EDGE + round(LETTER * max((len(trial.mutant) for trial in mutants), default=0))
    longest = LETTER * max(map(len, names), default=0)
    top = EDGE + round(longest * math.sin(math.pi / 3))
    lines = {trial.mutant: top + number * (SIDE + GAP) for number, trial in enumerate(mutants)}
    places = {name: left + number * (SIDE + GAP) for number, name in enumerate(names)}
    return Picture(
        width=left + len(names) * (SIDE + GAP) + EDGE + round(longest * math.cos(math.pi / 3)),
        height=top + len(mutants) * (SIDE + GAP),
        left=left,
        top=top,
        columns=tuple((x, name) for name, x in places.items()),
        rows=tuple((y, name) for name, y in lines.items()),
        squares=tuple(_square(trial, places[trial.experiment], lines[trial.mutant]) for trial in shown),
    )


def word_of(fate: Fate) -> str:
    """The colour that a fate has in all pages."""
    word = WORDS[fate]
    return word.value if word else "none"


def _square(trial: Trial, x: int, y: int) -> Square:
    if trial.rest:
        seen = ", ".join(trial.failed or trial.doubted) or "nothing"
        return Square(x, y, f"{trial.verdict.value} rest", f"{trial.mutant} at rest: {trial.verdict} ({seen})")
    return Square(x, y, word_of(trial.fate), f"{trial.mutant} against {trial.experiment}: {trial.fate}")

"""How fast the error budget burns: by the requests that came to their end in the last seconds, from a growing file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import NS, Recorder
from harness.observe.budget import START_S, Budget
from harness.records import Event
from harness.safety import Brake
from tests.unit.builders import Outcomes, sample

WITHIN_S = 10.0


class Watched:
    """A history that grows, and a budget that looks at it; time is told by the test."""

    def __init__(self, folder: Path, errors_share: float = 0.5) -> None:
        self.now = 0
        self.recorder = Recorder(folder / "history.jsonl", 0)
        brake = Brake(errors_share=errors_share, within_s=WITHIN_S)
        self.budget = Budget(self.recorder.path, brake, lambda: self.now)

    def at(self, seconds: float) -> str | None:
        self.now = round(seconds * NS)
        return self.budget()

    def sampled(self, start: int, stop: int, outcome: Outcomes = "ok") -> None:
        """One a second in [start, stop), each over at once."""
        self.recorder.write(*(sample(second, outcome, took=0.0) for second in range(start, stop)))


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


@pytest.mark.parametrize("outcome", ["fail", "info"])
def test_it_burns_beyond_the_declared_share_and_not_at_it(watched: Watched, outcome: Outcomes) -> None:
    watched.sampled(0, 10)
    assert watched.at(10) is None
    watched.sampled(10, 15, outcome)
    assert watched.at(14.5) is None  # 5 of 10
    watched.sampled(15, 16, outcome)
    assert watched.at(15.5) == "6 of the 10 requests of 10 s had no good answer, and at most 50 % may"


def test_what_is_over_is_forgotten(watched: Watched) -> None:
    watched.sampled(0, 4, "fail")
    watched.sampled(4, 30)
    assert watched.at(29.5) is None


def test_it_waits_until_it_has_watched_for_as_long_as_it_looks_back(watched: Watched) -> None:
    watched.sampled(0, 9, "fail")
    assert watched.at(9) is None
    assert watched.at(10) is not None


def test_where_no_request_ends_any_more_nobody_knows(watched: Watched) -> None:
    watched.sampled(0, 10)
    assert watched.at(10) is None
    assert watched.at(WITHIN_S + START_S - 1) is None
    assert watched.at(WITHIN_S + START_S + 1) == (
        "no request has come to its end for 10 s, so nobody knows how users fare"
    )


def test_a_prober_that_never_begins_is_no_good_sign(watched: Watched) -> None:
    assert watched.at(START_S) is None
    assert watched.at(WITHIN_S + START_S + 1) is not None


def test_other_lines_and_damaged_ones_do_not_count(watched: Watched) -> None:
    watched.sampled(0, 10)
    event = Event(t=0, source="probe", object="sample", what="sample", value={"outcome": "fail", "kind": "sample"})
    watched.recorder.write(*[event] * 50)
    with watched.recorder.path.open("ab") as file:
        file.write(b'{"kind":"sample","end":"soon"}\nsample\n"sample"\n' * 50)
    assert watched.at(10) is None


@given(st.lists(st.sampled_from(["ok", "fail", "info"]), min_size=12, max_size=40), st.data())
def test_however_the_file_grows_the_same_is_counted(
    tmp_path_factory: pytest.TempPathFactory, outcomes: list[Outcomes], data: st.DataObject
) -> None:
    """Lines may be cut anywhere when they are read; in the end what counts are the last seconds."""
    watched = Watched(tmp_path_factory.mktemp("budget"))
    lines = [sample(second, outcome, took=0.0).model_dump_json() for second, outcome in enumerate(outcomes)]
    whole = "".join(f"{line}\n" for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    with watched.recorder.path.open("ab") as file:
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            file.write(whole[start:end])
            file.flush()
            watched.budget._read()
    last = outcomes[-10:]
    bad = sum(outcome != "ok" for outcome in last)
    said = watched.at(len(outcomes) - 0.5)
    assert (said is not None) is (bad > 5)
    if said:
        assert said.startswith(f"{bad} of the {len(last)} requests")
    watched.recorder.close()

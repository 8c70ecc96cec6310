"""False passes that other chaos tools are known to give. None may ever be given here."""

from __future__ import annotations

import math

from harness.history import Fault, History, Mark, Op, Record, Sample
from harness.judge.checks import measured
from harness.judge.intervals import error_share, outages
from harness.judge.verdict import judge
from harness.outcome import Verdict
from harness.slo import Bound
from tests.unit.builders import LIMITS, at, bad, changed, column, healthy, meta, named, series, verdict, without


def strict(**limits: float) -> list[Record]:
    slo = {
        n: {"limit": limits.get(n.replace(".", "_"), v), "unit": u, "origin": "test"} for n, (v, u) in LIMITS.items()
    }
    return [meta(slo), *healthy()[1:]]


def test_a_failure_between_two_successes_is_seen() -> None:
    """One 503 between two 200s left no record elsewhere."""
    (outage,) = outages(column(series(".x.")))
    assert outage.seconds == 1.0
    records = bad(strict(availability_read_outage=0.4, availability_read_errors=100), 30, 30.5)
    assert named(verdict(records), "availability.read.outage").verdict is Verdict.FAIL


def test_an_outage_is_not_one_interval_short() -> None:
    """Three bad samples one second apart are three seconds, not two."""
    (outage,) = outages(column(series(".xxx.")))
    assert outage.seconds == 3.0


def test_an_outage_in_the_middle_that_recovered_is_a_failure() -> None:
    """A continuous hypothesis that had recovered by the end counted as kept."""
    assert verdict(bad(healthy(), 26, 32)).verdict is Verdict.FAIL


def test_an_action_that_hit_nothing_is_invalid() -> None:
    """A selector without a match counted as a successful action."""
    nothing = without(healthy(), Fault, lambda f: f.phase in ("injected", "proved"))
    assert verdict(nothing).verdict is Verdict.INVALID


def test_fewer_targets_proved_than_hit_is_invalid() -> None:
    one = without(healthy(), Fault, lambda f: f.phase == "proved" and f.target["uid"] == "uid-b")
    assert verdict(one).verdict is Verdict.INVALID


def test_no_data_is_not_a_pass() -> None:
    """An objective without data counted as met."""
    for kind in (Sample, Op, Mark):
        assert verdict(without(healthy(), kind)).verdict is not Verdict.PASS
    assert verdict(without(healthy(), Sample)).verdict is Verdict.INVALID


def test_no_requests_give_no_success_rate() -> None:
    """Zero requests give NaN, and NaN < 95 is false: a pass elsewhere."""
    bound = Bound("availability.read.errors", 5, "%", "test")
    assert math.isnan(error_share(column([])))
    assert measured(bound, error_share(column([])), "share").verdict is Verdict.INVALID


def test_a_percentage_is_not_rounded_into_its_limit() -> None:
    """18 of 70 is 25.7142… %: a limit a hair below it is broken, though both look alike when rounded."""
    records = healthy()
    for second in (25, 28, 31, 34, 37, 40):
        records = bad(records, second, second + 1.4)
    share = 100 * 18 / 70
    slo = strict(availability_read_errors=share - 1e-6)[0]
    check = named(verdict([slo, *records[1:]]), "availability.read.errors")
    assert check.measure == share
    assert check.verdict is Verdict.FAIL


def test_over_the_limit_is_over_the_limit() -> None:
    """122 s passed a limit of 100 s elsewhere."""
    late = changed(healthy(), Fault, lambda f: f.phase == "rolled-back", lambda f: {"t": at(20.5 + 122)})
    outcome = verdict([strict(rollback_time=100)[0], *late[1:]])
    assert named(outcome, "rollback.time").verdict is Verdict.FAIL
    assert named(outcome, "rollback.time").measure == 122.0


def test_one_long_hang_weighs_by_its_length_not_as_one_error() -> None:
    """A success rate over requests hides one hang of five seconds behind many good answers."""
    hang = changed(
        healthy(),
        Sample,
        lambda s: s.target == "version" and s.conn == "new" and at(30) <= s.due < at(35),
        lambda s: {"outcome": "info", "status": None, "end": s.due + at(5)},
    )
    assert named(verdict(hang), "availability.read.outage").measure == 5.0


def test_samples_lost_at_shutdown_are_missed() -> None:
    lost = without(healthy(), Sample, lambda s: s.due > at(53))
    assert named(verdict(lost), "evidence.schedule").verdict is Verdict.INVALID


def test_a_truncated_history_is_invalid() -> None:
    assert judge(History.of(healthy())).verdict is Verdict.INVALID

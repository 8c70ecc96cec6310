"""False passes that other chaos tools are known to give. None may ever be given here."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.history import Event, Fault, History, Mark, Op, Record, Sample
from harness.judge.checks import measured
from harness.judge.intervals import error_share, outages
from harness.judge.verdict import judge
from harness.outcome import Verdict
from harness.slo import Bound
from tests.unit.builders import (
    LIMITS,
    at,
    bad,
    changed,
    column,
    healthy,
    meta,
    named,
    op,
    pod,
    series,
    verdict,
    without,
)

END_LINE = '{"t": 60000000000, "kind": "end", "complete": true}'
MIDDLE_LINE = '{"t": 1, "kind": "end", "complete": false}'


def read(lines: list[str]) -> History:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")
        return History.read(path)


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


def test_two_runs_in_one_file_are_invalid() -> None:
    """What the first line says of one run would be taken for the other's bounds."""
    first, *rest = [record.model_dump_json(by_alias=True) for record in healthy()]
    for lines in ([first, first, *rest], [first, *rest[:50], MIDDLE_LINE, *rest[50:]]):
        outcome = judge(read([*lines, END_LINE]))
        assert outcome.verdict is Verdict.INVALID
    assert judge(read([first, *rest, END_LINE])).verdict is Verdict.PASS


def test_writes_do_not_hide_reads_that_are_missing() -> None:
    """Both are samples: as many lost reads as there were writes went unnoticed while all were counted together."""
    asked = [op(t, "trigger", "invoke", f"w{t}").model_copy(update={"process": "writer"}) for t in range(25, 45)]
    flapping = changed(
        healthy(),
        Sample,
        lambda s: s.target == "version" and s.conn == "new" and at(25) <= s.due < at(45) and s.due // at(0.5) % 2 == 0,
        lambda _: {"outcome": "fail", "status": 503},
    )
    lost = without([*flapping, *asked], Sample, lambda s: s.outcome == "fail")
    check = named(verdict(lost), "evidence.schedule")
    assert check.verdict is Verdict.INVALID
    assert "380 samples and the writer 20, and 360 are in the history" in check.because


def test_good_samples_that_are_told_twice_do_not_thin_out_the_bad() -> None:
    twice = [r for record in healthy() for r in ([record, record] if _some_sample(record) else [record])]
    assert named(verdict(twice), "evidence.schedule").verdict is Verdict.INVALID


def _some_sample(record: Record) -> bool:
    return isinstance(record, Sample) and record.due // at(0.5) % 3 == 0


def test_sampling_that_began_late_is_invalid() -> None:
    """A prober whose clock is 12 s ahead sees the outage after the fault as one of the recovery, or not at all."""
    late = changed(
        healthy(), Sample, lambda _: True, lambda s: {"t": s.t + at(12), "due": s.due + at(12), "end": s.end + at(12)}
    )
    check = named(verdict(late), "evidence.schedule")
    assert check.verdict is Verdict.INVALID
    assert "was not sampled for the first 12" in check.because


def test_sampling_that_is_too_seldom_is_invalid() -> None:
    """Every other sample gone, and nobody to say how many there were."""
    thin = without(healthy(), Sample, lambda s: s.target == "version" and s.due // at(0.5) % 2 == 0)
    silent = without(thin, Event, lambda e: e.source == "probe")
    check = named(verdict(silent), "evidence.schedule")
    assert check.verdict is Verdict.INVALID
    assert "version over new connections was sampled every 1 s, less often than planned" in check.because


def test_pods_that_die_after_the_undo_was_looked_at_are_a_failure() -> None:
    dead = [*healthy(), pod(50, "scheduler-c", "uid-c", ready=False), pod(51, "scheduler-d", "uid-d", "deleted")]
    check = named(verdict(dead), "rollback.time")
    assert check.verdict is Verdict.FAIL
    assert check.because.startswith(
        "After kill, all was as before, but at the end of the run 0 of 2 scheduler pods were Ready;"
    )
    value = {"of": "pods of airflow", "error": "503"}
    unseen = Event(t=at(52), source="probe", object="watcher", what="error", value=value)
    assert named(verdict([*dead, unseen]), "rollback.time").verdict is Verdict.INVALID
    assert verdict([*dead, unseen]).verdict is Verdict.INVALID


def test_a_ledger_that_was_not_read_to_its_end_is_invalid_and_no_failure() -> None:
    """Marks that nobody read are missing for us, not for Airflow."""
    stop = Event(t=at(55), source="probe", object="ledger", what="stopped", value={"complete": False})
    lost = [*without(healthy(), Mark, lambda m: m.t > at(35)), stop]
    assert named(verdict(lost), "tasks.lost").verdict is Verdict.INVALID
    assert verdict(lost).verdict is Verdict.INVALID

"""Who was the primary, from what servers said of themselves, and what those said who decide it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.history import End, Fault, History, Op, Record
from harness.judge import database, writable
from harness.judge.happened import doubts
from harness.judge.primaries import story
from harness.judge.replaced import UnknowableError
from harness.outcome import Check, Verdict
from harness.slo import CATALOGUE, Bound
from tests.unit.builders import at, meta, op, sample

HIT, OVER, LAST = 40.0, 100.0, 160.0
SERVERS = ("patroni-0", "patroni-1", "patroni-2")


def role(t: float, server: str, said: str, *, wrote: bool | None = None, took: float = 0.1, **more: Any) -> Op:
    """An answer that was asked for at `t`; who says that it is the primary keeps what it is asked to, unless said."""
    kept = said == "primary" if wrote is None else wrote
    value = {"server": server, "uid": f"uid-{server}", "asked": at(t), "role": said, "wrote": kept, **more}
    return Op(t=at(t + took), process="database", f="role", type="ok", value=value)


def silence(t: float, server: str) -> Op:
    value = {"server": server, "asked": at(t), "error": "no answer for 3 s"}
    return Op(t=at(t + 3), process="database", f="role", type="info", value=value)


def word(t: float, leader: str, by: str = "patroni", system: str = "database") -> Op:
    value = {"by": by, "asked": at(t), "leader": leader}
    return Op(t=at(t + 0.05), process=system, f="leader", type="ok", value=value)


def victim(name: str = "patroni-0", action: str = "kill_pods", **how: Any) -> list[Record]:
    target = {"kind": "Pod", "name": f"airflow/{name}", "uid": f"old-{name}", "node": "n", "component": "patroni"}
    proof = {"uid_gone": True, "process_gone": True, "process_gone_t": at(HIT + 0.5), "exit_code": 137, "stopped": True}
    steps: list[tuple[float, Any, dict[str, Any]]] = [
        (HIT, "injected", {"pids": [7], "role": "primary", **how}),
        (HIT + 1, "proved", proof),
        (OVER, "ended", {}),
    ]
    return [Fault(t=at(t), id="f", action=action, phase=p, target=target, evidence=e) for t, p, e in steps]


def reign(server: str, since: float, until: float, **more: Any) -> list[Op]:
    """It says so every second."""
    return [role(since + n, server, "primary", **more) for n in range(int(until - since))]


def standing(server: str, since: float, until: float, said: str = "replica") -> list[Op]:
    return [role(since + n, server, said) for n in range(int(until - since))]


def failover() -> list[Record]:
    """The first is killed and comes back as a standby, the second takes its place after 20 s."""
    first = [*reign("patroni-0", 1, HIT), *standing("patroni-0", 41, 100, "none"), *standing("patroni-0", 100, 155)]
    second = [*standing("patroni-1", 1, 60), *reign("patroni-1", 60, 155, timeline="2")]
    words = [word(t, "patroni-0" if t < 59 else "patroni-1") for t in range(1, 155)]
    return [*first, *second, *standing("patroni-2", 1, 155), *words, *victim()]


def told(records: Iterable[Record], **said: Any) -> History:
    ordered = sorted(records, key=lambda r: r.t)
    first = meta(**{"component": "patroni", "replicas": {"patroni": 3}, **said})
    return History.of([first, *ordered, End(t=at(LAST), complete=True)])


def judged(records: Iterable[Record], name: str, limit: float = 0, **said: Any) -> Check:
    check = writable.check if name.startswith("recovery.") else database.check
    (found,) = check(told(records, **said), {name: Bound(name, limit, CATALOGUE[name].unit, "origin")})
    return found


def but(records: Iterable[Record], server: str, since: float, until: float) -> list[Record]:
    """Without what this server said in [since, until)."""
    return [
        r
        for r in records
        if not (isinstance(r, Op) and r.value.get("server") == server and at(since) <= r.value["asked"] < at(until))
    ]


def test_without_a_bound_nothing_is_judged() -> None:
    assert database.check(told(failover()), {}) == ()
    assert writable.check(told(failover()), {}) == ()


def test_one_primary_after_another_is_one() -> None:
    found = judged(failover(), database.TWO)
    assert (found.verdict, found.measure) == (Verdict.PASS, 0)
    assert "(patroni-0, patroni-1, one after another)" in found.because


def test_who_takes_writes_again_beside_another_is_a_second_primary() -> None:
    again = [*but(failover(), "patroni-0", 40, 110), *(silence(t, "patroni-0") for t in range(41, 100, 4))]
    found = judged([*again, role(101, "patroni-0", "primary")], database.TWO)
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)
    assert "patroni-0 and patroni-1 both took writes" in found.because


def test_who_calls_itself_the_primary_and_keeps_nothing_is_none() -> None:
    again = [*but(failover(), "patroni-0", 40, 110), *(silence(t, "patroni-0") for t in range(41, 100, 4))]
    records = [*again, role(101, "patroni-0", "primary", wrote=False)]
    assert judged(records, database.TWO).measure == 0


def test_another_timeline_is_another_reign() -> None:
    answers = [role(1, "a", "primary", timeline="1"), role(9, "a", "primary", timeline="3"), role(5, "b", "primary")]
    assert story(told(answers), "database").two() == []


def test_a_server_that_nobody_heard_may_have_been_one() -> None:
    found = judged(but(failover(), "patroni-2", 60, 90), database.TWO)
    assert found.verdict is Verdict.INVALID
    assert "patroni-2 did not say what it is for 3" in found.because
    found = judged(but(failover(), "patroni-2", 0, 200), database.TWO)
    assert "2 servers of the database were asked what they are, of 3" in found.because
    assert judged(victim(), database.TWO).verdict is Verdict.INVALID


def test_what_hangs_says_nothing_and_must_speak_soon_after() -> None:
    hung = [r for r in but(failover(), "patroni-0", 40, 100) if not isinstance(r, Fault)]
    assert judged([*hung, *victim(action="hang_pods", signal="SIGSTOP")], database.TWO).verdict is Verdict.PASS
    late = but(hung, "patroni-0", 100, 140)
    assert judged([*late, *victim(action="hang_pods", signal="SIGSTOP")], database.TWO).verdict is Verdict.INVALID


def test_no_write_of_ours_proves_nothing() -> None:
    asked = [role(n, server, "replica") for n in range(1, 155) for server in SERVERS]
    assert judged([*asked, *victim()], database.TWO).verdict is Verdict.INVALID


def test_changes_are_counted() -> None:
    assert judged(failover(), database.CHANGES, 1).verdict is Verdict.PASS
    found = judged(failover(), database.CHANGES, 0)
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)


def test_a_change_that_only_the_servers_told_counts() -> None:
    words = [word(t, "patroni-0") for t in range(1, 155)]
    records = [r for r in failover() if not (isinstance(r, Op) and r.f == "leader")]
    assert judged([*records, *words], database.CHANGES, 0).measure == 1


def test_a_change_may_have_been_while_nobody_said_anything() -> None:
    still = [*reign("patroni-0", 1, 155), *standing("patroni-1", 1, 155), *standing("patroni-2", 1, 155)]
    words = [word(t, "patroni-0") for t in range(1, 155)]
    assert judged([*still, *words], database.CHANGES).verdict is Verdict.PASS
    found = judged([*still, *(w for w in words if not 50 < w.t / 1e9 < 70)], database.CHANGES)
    assert found.verdict is Verdict.INVALID
    assert judged(still, database.CHANGES).verdict is Verdict.INVALID


def test_sentinels_that_disagree_for_a_moment_change_nothing() -> None:
    words = [word(t, "broker-0", f"sentinel-{n}", "broker") for t in range(1, 155) for n in range(3)]
    odd = [word(50.5, "broker-1", "sentinel-0", "broker")]
    assert story(told([*words, *odd]), "broker").turns() == ["broker-0"]


def accepted(number: int, t: float) -> list[Record]:
    name = f"run-1-t-{number:04d}"
    return [op(t, "trigger", "invoke", name, tasks=[]), op(t + 0.1, "trigger", "ok", name, status=200)]


def asked_for(count: int = 30) -> list[Record]:
    return [record for number in range(count) for record in accepted(number, 2.0 * number + 2)]


def listed(missing: Iterable[int] = (), count: int = 30, type_: Any = "ok") -> Op:
    names = [f"run-1-t-{number:04d}" for number in range(count) if number not in set(missing)]
    value: dict[str, Any] = {"prefix": "run-1-t", "dag": "d", "asked": at(150), "runs": names}
    return Op(t=at(150.1), process="writer", f="there", type=type_, value=value)


def test_an_accepted_trigger_is_there_or_lost() -> None:
    assert judged([*failover(), *asked_for(), listed()], database.LOST).verdict is Verdict.PASS
    found = judged([*failover(), *asked_for(), listed([18])], database.LOST)
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)
    assert "run-1-t-0018; the first was accepted 1.9 s before the fault" in found.because


@pytest.mark.parametrize(
    "records",
    [
        [*asked_for()],
        [*asked_for(), listed(type_="info")],
        [*asked_for(5), listed(count=5)],
        [],
    ],
    ids=["not asked", "nobody knows", "too few", "nothing accepted"],
)
def test_what_is_there_may_not_be_known(records: list[Record]) -> None:
    assert judged([*failover(), *records], database.LOST).verdict is Verdict.INVALID


def writes(*bad: tuple[float, float]) -> list[Record]:
    """One a second, through Airflow."""
    every = [0.5 + n for n in range(155)]
    lost = [t for t in every if any(a <= t < b for a, b in bad)]
    return [sample(t, "fail" if t in lost else "ok", "trigger", "new", "POST") for t in every]


def test_the_first_write_after_the_primary_is_gone() -> None:
    found = judged([*failover(), *writes((40, 63))], writable.DATABASE, 45)
    assert found.verdict is Verdict.PASS
    assert found.measure == pytest.approx(23.52)
    assert "patroni-0, the primary, was hit" in found.because
    assert judged([*failover(), *writes((40, 63))], writable.DATABASE, 20).verdict is Verdict.FAIL
    assert judged([*failover(), *writes((40, 200))], writable.DATABASE, 45).verdict is not Verdict.PASS


def test_a_write_that_the_old_primary_took_says_nothing() -> None:
    """Sent before its process was gone, and accepted."""
    late = sample(40.45, "ok", "trigger", "new", "POST", took=0.9)
    records = [r for r in writes((40, 63)) if r.t != late.t]
    assert judged([*failover(), *records, late], writable.DATABASE, 45).measure == pytest.approx(23.52)


def test_nobody_knows_where_the_primary_was_not_hit_or_not_known() -> None:
    for records in (
        [*(r for r in failover() if not isinstance(r, Fault)), *victim("patroni-2")],
        [r for r in failover() if not (isinstance(r, Op) and r.f == "leader")],
        but(failover(), "patroni-0", 30, 40),
        [r for r in failover() if not isinstance(r, Fault)],
    ):
        assert judged([*records, *writes((40, 63))], writable.DATABASE, 45).verdict is Verdict.INVALID
    assert judged(failover(), writable.DATABASE, 45).verdict is Verdict.INVALID


def brokers(records: Iterable[Record]) -> list[Record]:
    """The same of a broker, of which one Sentinel speaks."""
    found: list[Record] = []
    for record in records:
        if isinstance(record, Op):
            named = {
                k: str(v).replace("patroni", "broker") if k in ("server", "leader") else v
                for k, v in record.value.items()
            }
            found.append(record.model_copy(update={"process": "broker", "value": named}))
        elif isinstance(record, Fault):
            target = record.target | {"name": "airflow/broker-0", "component": "broker"}
            found.append(record.model_copy(update={"target": target}))
    return found


def test_a_broker_takes_writes_when_it_kept_one_and_is_called_the_primary() -> None:
    found = judged(brokers(failover()), writable.BROKER, 25, replicas={"broker": 3})
    assert found.verdict is Verdict.PASS
    assert found.measure == pytest.approx(20.1)
    assert judged(brokers(failover()), writable.BROKER, 15).verdict is Verdict.FAIL
    blind = but(failover(), "patroni-1", 50, 70)
    assert judged(brokers(blind), writable.BROKER, 25).verdict is Verdict.INVALID


def test_who_was_hit_for_its_role_must_have_had_it() -> None:
    about = "hit as the"
    assert not any(about in why for why in doubts(told(failover())))
    other = [*(r for r in failover() if not isinstance(r, Fault)), *victim("patroni-2")]
    assert any("hit as the primary, and patroni-0 was the primary" in why for why in doubts(told(other)))
    standby = [*(r for r in failover() if not isinstance(r, Fault)), *victim("patroni-0", role="standby")]
    assert any("hit as the standby, and patroni-0 was" in why for why in doubts(told(standby)))
    unknown = [r for r in failover() if not (isinstance(r, Op) and r.f == "leader")]
    assert any("it is not known whether it was" in why for why in doubts(told(unknown)))


def lives_on(action: str, proof: dict[str, Any], ends: float = 65.0, name: str = "patroni-0") -> list[Record]:
    """It is hit, and is proved to be a second later; its pod stays."""
    target = {"kind": "Pod", "name": f"airflow/{name}", "uid": f"uid-{name}", "node": "n", "component": "patroni"}
    steps: list[tuple[float, Any, dict[str, Any]]] = [
        (HIT, "injected", {"role": "primary"}),
        (HIT + (1 if action == "cut_off" else 6), "proved", proof),
        (ends, "ended", {}),
    ]
    return [Fault(t=at(t), id="f", action=action, phase=p, target=target, evidence=e) for t, p, e in steps]


def switchover(now: str = "patroni-1", says: str = "patroni-1", since: float = 44.0) -> list[Record]:
    """The first stops 2 s after it was asked, and the second is the primary 2 s later."""
    first = [*reign("patroni-0", 1, 42), *standing("patroni-0", 42, 46, "none"), *standing("patroni-0", 46, 155)]
    second = [*standing("patroni-1", 1, since), *reign("patroni-1", since, 155, timeline="2")]
    words = [word(t, "patroni-0" if t < 43 else says) for t in range(1, 155)]
    proof = {"primary": now, "answer": {"status": 200, "words": "Successfully switched over"}}
    return [*first, *second, *standing("patroni-2", 1, 155), *words, *lives_on("switch_over", proof, 47)]


def test_a_handover_is_proved_where_all_have_another_primary_by_then() -> None:
    assert doubts(told(switchover())) == ()
    for records, why in (
        (switchover(now="patroni-0"), "no primary other than airflow/patroni-0 was seen"),
        (switchover(now=""), "no primary other than airflow/patroni-0 was seen"),
        (switchover(now="patroni-2"), "airflow/patroni-0 handed over to patroni-2, and patroni-1 was the primary"),
        (switchover(says=""), "it is not known whether that was the primary: those who decide it called none"),
        (switchover(says="patroni-0"), "patroni-0 was called the primary when that was said, and said of itself: none"),
        (switchover(since=50), "patroni-1 was called the primary when that was said, and said of itself: replica"),
    ):
        (found,) = doubts(told(records))
        assert why in found
    other = [r for r in switchover() if not isinstance(r, Fault)]
    proof = {"primary": "patroni-1"}
    assert any(
        "hit as the primary, and patroni-0" in w
        for w in doubts(told([*other, *lives_on("switch_over", proof, name="patroni-2")]))
    )
    bare = [
        r.model_copy(update={"evidence": {}}) if isinstance(r, Fault) and r.phase == "injected" else r
        for r in switchover()
    ]
    assert doubts(told(bare)) == ("airflow/patroni-0 was not known to be the primary when it was asked to hand over",)


def test_what_the_old_primary_took_before_it_stopped_is_no_recovery() -> None:
    """The last answer in which it was the primary was asked for at 41 s, the first in which it was none at 42 s."""
    found = judged([*switchover(), *writes((42, 45))], writable.DATABASE, 15)
    assert found.verdict is Verdict.PASS
    assert found.measure == pytest.approx(5.52)
    assert judged([*switchover(), *writes((42, 62))], writable.DATABASE, 15).verdict is Verdict.FAIL
    for name, limit in ((database.TWO, 0), (database.CHANGES, 1)):
        assert judged(switchover(), name, limit).verdict is Verdict.PASS


def partition(stands_down: float = 74.0, keeps: float = 50.0) -> list[Record]:
    """The first is cut off from 40 to 65 s, takes itself for the primary until it is told, and keeps what it is asked
    to for a while; the second is made the primary after 8 s."""
    first = [role(t, "patroni-0", "primary", wrote=t < keeps) for t in range(1, int(stands_down))]
    after = standing("patroni-0", stands_down, 155)
    second = [*standing("patroni-1", 1, 48), *reign("patroni-1", 48, 155)]
    words = [word(t, "patroni-0" if t < 48 else "patroni-1") for t in range(1, 155)]
    return [
        *first,
        *after,
        *second,
        *standing("patroni-2", 1, 155),
        *words,
        *lives_on("cut_off", {"dropped_packets": 9}),
    ]


def of_brokers(records: Iterable[Record], name: str, limit: float) -> Check:
    """Those who say who it is are Sentinels, and the word of Patroni is none of theirs."""
    return judged(brokers(records), name, limit, component="broker", replicas={"broker": 3})


def test_who_is_cut_off_and_still_takes_itself_for_the_primary_has_not_become_it_again() -> None:
    found = of_brokers(partition(), database.BROKER_CHANGES, 1)
    assert (found.verdict, found.measure) == (Verdict.PASS, 1)
    assert "(broker-0, broker-1, one after another)" in found.because
    again = [
        r for r in partition() if not (isinstance(r, Op) and r.value.get("server") == "patroni-0" and r.t > at(100))
    ]
    back = [*again, *reign("patroni-0", 100, 110), *standing("patroni-0", 110, 155)]
    assert of_brokers(back, database.BROKER_CHANGES, 1).measure == 2


def test_who_never_stands_down_is_one_too_many() -> None:
    found = of_brokers(partition(stands_down=155), database.BROKER_CHANGES, 1)
    assert found.verdict is Verdict.FAIL
    assert "broker-0, broker-1 each called itself the primary in the end" in found.because


def test_what_nobody_else_can_reach_takes_no_writes() -> None:
    """The old one keeps what we ask of it in its pod, and the Sentinels call it the primary for 8 s more."""
    found = of_brokers(partition(), writable.BROKER, 20)
    assert found.verdict is Verdict.PASS
    assert found.measure == pytest.approx(8.1)
    never = but(partition(), "patroni-1", 48, 155)
    assert of_brokers([*never, *standing("patroni-1", 48, 155)], writable.BROKER, 20).verdict is Verdict.FAIL


def test_two_that_keep_writes_on_both_sides_of_a_cut_are_two_primaries() -> None:
    found = judged(partition(), database.TWO)
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)
    assert judged(partition(keeps=41), database.TWO).verdict is Verdict.PASS


def test_what_is_no_answer_is_damage() -> None:
    for broken in (
        role(5, "a", "king"),
        Op(t=at(5), process="database", f="role", type="ok", value={"server": "a", "asked": at(9), "role": "none"}),
        Op(t=at(5), process="database", f="leader", type="ok", value={"by": "a", "asked": 1, "leader": 7}),
    ):
        with pytest.raises(HistoryError):
            story(told([broken]), "database")


def test_before_anybody_said_anything_there_is_no_primary() -> None:
    with pytest.raises(UnknowableError, match="called none the primary"):
        story(told(failover()), "database").primary(0)


reigns = st.lists(st.tuples(st.integers(0, 2), st.floats(4, 30), st.floats(0, 10)), min_size=1, max_size=6)
jitters = st.randoms(use_true_random=False)


def _answers(truth: dict[str, list[tuple[float, float]]], random: Any, end: float) -> list[Op]:
    """Every server is asked about every second, and its answer is true at some moment before it comes."""
    found = []
    for server, spans in truth.items():
        t = random.random()
        while t < end:
            took = random.random() * 0.9
            moment = t + random.random() * took
            mine = [number for number, (a, b) in enumerate(spans) if a <= moment < b]
            said = role(t, server, "primary" if mine else "replica", took=took, timeline=f"{server}-{mine}")
            found.append(said)
            t += max(1.0, took)
    return found


@given(reigns, jitters)
def test_one_at_a_time_is_never_taken_for_two(spans: list[tuple[int, float, float]], random: Any) -> None:
    truth: dict[str, list[tuple[float, float]]] = {server: [] for server in SERVERS}
    t = 1.0
    for who, lasts, pause in spans:
        truth[SERVERS[who]].append((t, t + lasts))
        t += lasts + pause
    assert story(told(_answers(truth, random, t)), "database").two() == []


@given(st.floats(5, 40), st.floats(5, 40), jitters)
def test_two_that_take_writes_for_four_seconds_are_seen(first: float, second: float, random: Any) -> None:
    truth = {"patroni-0": [(1.0, 1 + first)], "patroni-1": [(first - 4, first - 4 + second)]}
    found = story(told(_answers(truth, random, 90)), "database").two()
    assert [{a.server, b.server} for a, b in found] == [{"patroni-0", "patroni-1"}]


@given(st.floats(0, 9), st.floats(0.001, 9), st.floats(0, 9), st.floats(0.001, 9))
def test_one_answer_of_each_never_proves_that_both_reigned(a: float, took: float, b: float, longer: float) -> None:
    points = told([role(a, "a", "primary", took=took), role(b, "b", "primary", took=longer)])
    assert len(story(points, "database").reigns()) == 2
    assert story(points, "database").two() == []

"""What happened has a lane, and what must be seen stands out in it."""

from __future__ import annotations

from harness.history import NS, Event, Record
from harness.judge.verdict import judge
from harness.outcome import Verdict
from harness.report import attempts, heartbeats, milestones, pods
from harness.report.lanes import Band, Bar, Lane, Look, Point, draw, plain
from tests.unit.builders import at, bad, dag_run, healthy, job, mark, pod, whole


def lane(band: Band, label: str) -> Lane:
    (found,) = [lane for lane in band.lanes if lane.label == label]
    return found


def drawn(lane: Lane) -> list[tuple[float, float, Look]]:
    return [(bar.start / NS, bar.end / NS, bar.look) for bar in lane.bars]


def test_tasks_are_bars_on_the_worker_that_ran_them() -> None:
    records = [
        mark(1, "start", host="w-1"),
        mark(4, "end", host="w-1"),
        mark(2, "start", task="b"),
        mark(3, "end", task="b"),
    ]
    band = attempts.band(whole(records))
    assert drawn(lane(band, "w-1")) == [(1, 4, attempts.ONCE)]
    assert drawn(lane(band, "worker-0")) == [(2, 3, attempts.ONCE)]


def test_attempts_that_repeat_or_overlap_or_never_end_stand_out() -> None:
    records: list[Record] = [
        *dag_run("fine", 0, 1, 3),
        mark(10, "start", "again"), mark(11, "end", "again"),
        mark(12, "start", "again", try_=2), mark(13, "end", "again", try_=2),
        mark(20, "start", "both"), mark(24, "end", "both"),
        mark(22, "start", "both", host="w-1"), mark(25, "end", "both", host="w-1"),
        mark(30, "start", "open"),
        mark(40, "end", "stray"),
    ]  # fmt: skip
    band = attempts.band(whole(records))
    own = lane(band, "worker-0")
    looks = {start: look for start, _, look in drawn(own)}
    assert looks[10] is attempts.ONCE
    assert looks[12] is attempts.AGAIN
    assert looks[20] is attempts.AT_ONCE
    assert looks[30] is attempts.AGAIN
    assert drawn(lane(band, "w-1")) == [(22, 25, attempts.AT_ONCE)]
    assert [(p.t / NS, p.look) for p in own.points] == [(30, attempts.OPEN), (40, attempts.STRAY)]
    (again,) = [bar.said for bar in own.bars if bar.start == at(12)]
    assert "again/load" in again
    assert "attempt 2" in again


def test_an_attempt_that_began_as_the_other_ended_does_not_overlap_it() -> None:
    records = [mark(1, "start"), mark(2, "end"), mark(2, "start", try_=2), mark(3, "end", try_=2)]
    (only,) = attempts.band(whole(records)).lanes
    assert [look for _, _, look in drawn(only)] == [attempts.ONCE, attempts.AGAIN]


def test_however_many_ordinary_tasks_there_are_the_others_stay() -> None:
    records: list[Record] = [m for i in range(5000) for m in (mark(i, "start", f"r{i}"), mark(i + 0.5, "end", f"r{i}"))]
    records += [mark(7.5, "start", "r7", try_=2), mark(7.8, "end", "r7", try_=2)]
    (only,) = attempts.band(whole(records)).lanes
    assert len(only.bars) <= attempts.MOST_BARS
    assert (7.5, 7.8, attempts.AGAIN) in drawn(only)
    assert sum(bar.said.startswith("r") for bar in only.bars) < 5000


def test_a_pod_has_a_life_line_from_its_coming_to_its_going() -> None:
    records = [
        pod(1, "old", "u1", "added"), pod(20, "old", "u1", deleting=True), pod(21, "old", "u1", "deleted", ready=False),
        pod(20, "new", "u2", "added", ready=False), pod(25, "new", "u2"), pod(26, "new", "u2", restarts=1),
        pod(1, "job", "u3", "added", component="migrate", phase="Succeeded", ready=False),
    ]  # fmt: skip
    band = pods.band(whole(records))
    assert drawn(lane(band, "old")) == [(1, 20, pods.READY), (20, 21, pods.GOING)]
    assert [(p.t / NS, p.look) for p in lane(band, "old").points] == [(21, pods.DELETED)]
    assert drawn(lane(band, "new")) == [(20, 25, pods.NOT_READY), (25, 60, pods.READY)]
    assert "restarts: 1" in lane(band, "new").bars[-1].said
    assert drawn(lane(band, "job")) == [(1, 60, pods.FINISHED)]


def test_pods_of_what_was_hit_come_first_and_very_many_share_lanes() -> None:
    records = [*healthy(), *(pod(i, f"p{i}", f"u{i}", "added", component="api") for i in range(40))]
    labels = [one.label for one in pods.band(whole(records)).lanes]
    assert labels == ["scheduler-a", "scheduler-b", "scheduler-c", "scheduler-d", "api: 40 pods"]


def test_heartbeats_have_a_lane_for_each_scheduler_and_silences_stay_however_many_there_are() -> None:
    band = heartbeats.band(whole(healthy()))
    assert [one.label for one in band.lanes] == ["scheduler-a", "scheduler-b", "scheduler-c", "scheduler-d"]
    assert len(band.lanes[0].points) == 21
    assert band.lanes[0].points[-1].look is heartbeats.OVER
    often = [job(t, 1, "s") for t in [*(i / 100 for i in range(3000)), *(40 + i / 100 for i in range(3000))]]
    (only,) = heartbeats.band(whole(often)).lanes
    assert len(only.bars) + len(only.points) <= heartbeats.MOST
    things = [(b.start, b.end) for b in only.bars] + [(p.t, p.t) for p in only.points]
    assert not any(start < at(35) < end for start, end in things)


def test_the_phases_of_the_recovery_and_what_was_not_passed_have_lanes() -> None:
    history = whole(bad(healthy(), 25, 30))
    labels = [one.label for one in milestones.band(history, judge(history)).lanes]
    assert labels[:2] == ["fault", "process gone 0.5 s"]
    assert "FAIL availability.read.outage" in labels
    calm = whole(healthy())
    assert not [one for one in milestones.band(calm, judge(calm)).lanes if Verdict.FAIL in one.label]


def test_an_address_has_a_lane_where_it_moved() -> None:
    moves: list[Record] = [
        Event(t=at(t), source="endpoint", object="load balancer", what="announced", value={"node": node})
        for t, node in ((0, "a"), (25, "b"), (27, "a"))
    ]
    history = whole([*healthy(), *moves])
    found = lane(milestones.band(history, judge(history)), "address of the load balancer")
    assert [(bar.start, bar.said.split("\n")[0][-1]) for bar in found.bars] == [
        (at(0), "a"),
        (at(25), "b"),
        (at(27), "a"),
    ]
    assert [point.t for point in found.points] == [at(25), at(27)]
    still = whole([*healthy(), moves[0]])
    assert not [one for one in milestones.band(still, judge(still)).lanes if "address" in one.label]


def test_a_lane_says_what_a_server_says_and_no_more_of_it_than_helps() -> None:
    look = Look("#000")
    evil = Lane("<b>" + "x" * 80, (Bar(0, 0, look, "<a href='x'>&" + "y" * 800),), (Point(5, look, "a\nb"),))
    traces, labels = draw([Band("title", (evil,))], "y")
    assert labels[1]["text"].startswith("&lt;b&gt;")
    assert labels[1]["text"].endswith("x…")
    assert traces[0]["x"] == [0.001]
    assert traces[0]["hovertext"][0].startswith("&lt;a href='x'&gt;&amp;")
    assert len(traces[0]["hovertext"][0]) < 500
    assert traces[1]["hovertext"] == ["a<br>b"]
    assert plain("<") == "&lt;"

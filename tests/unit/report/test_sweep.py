"""The page of a sweep: every pod stands on its node, and what may not die is red."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.outcome import Verdict
from harness.report.sweep import box as box_of
from harness.report.sweep import brief, columns, markdown, page
from harness.swept import LeftOut, Place, Sweep
from tests.unit.test_swept import again, place, sweep, trial

PASS, FAIL, INVALID = Verdict.PASS, Verdict.FAIL, Verdict.INVALID
VERDICTS = st.sampled_from([PASS, FAIL, INVALID, None])


def on(node: str, name: str, **more: str) -> Place:
    return place(name, **more).model_copy(update={"node": node})


def made(*verdicts: Verdict | None) -> Sweep:
    there = [on(f"node-{n % 3}", f"pod-{n}") for n in range(len(verdicts))]
    return sweep(
        there, [trial(one, v, outage=float(n)) for n, (one, v) in enumerate(zip(there, verdicts, strict=True)) if v]
    )


@given(st.lists(VERDICTS, max_size=9))
def test_every_victim_is_on_the_map_once_in_the_colour_of_its_verdict(verdicts: list[Verdict | None]) -> None:
    found = made(*verdicts)
    boxes = [box_of(found, one) for one in found.there]
    drawn = [box for column in columns(found, boxes) for box in column.pods]
    assert sorted(b.name for b in drawn) == sorted(b.name for b in boxes)
    assert [b.word for b in boxes] == [v.value if v else "" for v in verdicts]
    assert all(b in next(c.pods for c in columns(found, boxes) if c.name == b.node) for b in boxes)


def test_the_page_names_what_may_not_die_with_its_outage_and_its_run() -> None:
    there = [on("node-1", "redis-0"), on("node-2", "patroni-0", duty="primary"), on("node-2", "late")]
    bad = trial(there[0], FAIL, failed=("redundancy.peers",), because="It stood alone.", outage=1.25, back=9.0)
    found = sweep(there, [bad, trial(there[1])])
    spared = LeftOut(name="kube-system/etcd", because="a static pod")
    text = page(found.model_copy(update={"left_out": (spared,)}))
    assert '<a href="run-airflow/redis-0/report.html">' in text
    for said in (
        "1.25 s",
        "It stood alone.",
        "redundancy.peers",
        "primary",
        "not hit",
        "kube-system/etcd",
        "a static pod",
    ):
        assert said in text
    assert text.count('class="box FAIL"') == text.count('class="box PASS"') == text.count('class="box "') == 1


def test_on_the_page_of_nodes_the_pods_only_stand() -> None:
    nodes = [Place(name=f"node-{n}", uid=f"n{n}", owner="Node", part=f"node-{n}", node=f"node-{n}") for n in (1, 2)]
    pods = (on("node-1", "redis-0"), on("control", "postgres-0"))
    found = sweep(nodes, [trial(nodes[0]), trial(nodes[1], FAIL)], nodes).model_copy(
        update={"what": "nodes", "pods": pods}
    )
    text = page(found)
    assert text.count('class="box there"') == 2
    assert 'class="node PASS"' in text
    assert 'class="node FAIL"' in text
    assert ">control<" in text


def test_what_a_run_says_is_escaped() -> None:
    one = place("redis-0")
    found = sweep([one], [trial(one, FAIL, because="<script>alert(1)</script> | x", failed=("a.b",))])
    assert "<script>" not in page(found)
    assert "<script>" not in markdown([found])
    row = next(line for line in markdown([found]).splitlines() if line.startswith("| `redis-0`"))
    assert row == "| `redis-0` |  | FAIL | – | – | `a.b` |"


def test_the_short_table_has_a_row_for_each_stack() -> None:
    good, bad = made(PASS, PASS), made(FAIL, PASS)
    half = made(PASS, FAIL, INVALID, None).model_copy(update={"stack": "local"})
    text = brief([bad, good.model_copy(update={"stack": "celery-ha"}), half])
    assert text.splitlines()[2:] == [
        "| `celery` | FAIL: 1 of 2 may die, at the cost of 1 s at most; not `pod-0` |  |",
        "| `celery-ha` | PASS: 2 of 2 may die, at the cost of 1 s at most |  |",
        "| `local` | FAIL: 1 of 4 may die, at the cost of 0 s at most; not `pod-1`; of 2 nothing can be said |  |",
    ]
    assert "No sweep is recorded yet" in brief([])
    assert "No sweep is recorded yet" in markdown([])


def test_a_victim_shows_the_worst_of_its_runs_and_the_one_that_its_verdict_comes_from() -> None:
    one = place("w")
    trials = [trial(one, INVALID, doubted=("evidence.fault",), outage=7.0), trial(one, PASS, again(one), outage=1.0)]
    found = box_of(sweep([one], trials), one)
    assert (found.word, found.bad, found.outage) == ("PASS", (), 7.0)

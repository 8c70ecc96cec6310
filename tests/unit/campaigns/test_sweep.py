"""How a sweep goes on, what it aims at, and what it keeps; the runs themselves are the cluster's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import allowed, ground
from harness.bounds import needed, owed
from harness.campaigns import sweep, victims
from harness.errors import HarnessError, UsageError, WaitTimeout
from harness.experiment import Experiment, load
from harness.outcome import Outcome, Verdict
from harness.progress.show import Showing
from harness.report import sweep as pages
from harness.run import Result
from harness.settings import ROOT, Settings
from harness.sources import named
from harness.swept import Place, Sweep
from harness.target import Target
from tests.unit.test_swept import again, place, trial
from tests.unit.test_swept import sweep as swept

PASS, FAIL, INVALID = Verdict.PASS, Verdict.FAIL, Verdict.INVALID
OF = {
    "api-server": "airflow/Deployment/api-server",
    "worker": "airflow/Deployment/worker",
    "triggerer": "airflow/Deployment/triggerer",
    "redis": "airflow/StatefulSet/redis",
    "ingress": "ingress/Deployment/ingress",
    "speaker": "metallb-system/DaemonSet/speaker",
    "kube-dns": "kube-system/Deployment/coredns",
}
ALONE = {"redis"}  # and not there on celery-ha
TOGETHER = {
    "patroni": "airflow/StatefulSet/patroni",
    "pgbouncer": "airflow/Deployment/pgbouncer",
    "broker": "airflow/StatefulSet/broker",
    "sentinel": "airflow/StatefulSet/sentinel",
    "dag-processor": "airflow/Deployment/dag-processor",
}
ON_HA = sorted({*OF, *TOGETHER} - ALONE)


def pod(component: str, number: int = 0) -> Place:
    owner = (OF | TOGETHER)[component]
    namespace, name = owner.partition("/")[0], f"{component}-{number}"
    part = name if "StatefulSet" in owner else ""
    return Place(
        name=f"{namespace}/{name}", uid=name, owner=owner, part=part, component=component, node=f"node-{number}"
    )


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return Settings(reports=tmp_path, slo_file=ROOT / "slo.yaml")


@pytest.mark.parametrize("component", sorted(OF))
def test_every_victim_has_one_experiment_that_may_be_run_and_has_all_its_bounds(here: Settings, component: str) -> None:
    one = sweep.experiment_of("pods", pod(component), here)
    allowed.check(one)
    assert owed(one, here)
    assert (one.name, one.plan.component) == ("any-one-pod", component)
    arguments = one.method()[0]["provider"]["arguments"]
    namespace = OF[component].partition("/")[0]
    label = "k8s-app" if component == "kube-dns" else "component"
    held = component in ("worker", "triggerer")
    assert arguments == {
        "selector": f"{label}={component}",
        "pick": "one-at-work" if held else "one",
        "name": f"{component}-0",
        "namespace": namespace,
    }
    assert one.plan.watch == (() if namespace in ("airflow", "ingress") else (namespace,))


@pytest.mark.parametrize("component", ON_HA)
def test_every_victim_of_a_stack_in_which_nothing_is_alone_has_its_bounds(here: Settings, component: str) -> None:
    """Whose death may make another server the primary owes that there is one, and one change at most."""
    there = here.model_copy(update={"stack": "celery-ha"})
    one = sweep.experiment_of("pods", pod(component), there)
    assert owed(one, there)
    changes = {name for name in needed(one, there) if name.endswith(("_primaries", ".primary_changes", ".lost_writes"))}
    database = {"database.two_primaries", "database.primary_changes"}
    broker = {"broker.primary_changes"}
    of_each = {"patroni": database, "pgbouncer": database, "broker": broker, "sentinel": broker}
    assert changes == of_each.get(component, set())


def test_a_node_may_take_both_primaries_with_it(here: Settings) -> None:
    there = here.model_copy(update={"stack": "celery-ha"})
    bounds = owed(sweep.experiment_of("nodes", Place(name="w", uid="u", owner="Node", part="w"), there), there)
    assert {"database.two_primaries", "database.primary_changes", "broker.primary_changes"} <= bounds.keys()


def test_the_namespaces_of_a_target_are_watched_anyhow(here: Settings) -> None:
    target = Target(name="mine", context="c", namespace="airflow", beside=("edge",))
    aimed = Settings(reports=here.reports, slo_file=here.slo_file, target=target)
    beside = pod("ingress").model_copy(update={"name": "edge/door"})
    assert sweep.experiment_of("pods", beside, aimed).plan.watch == ()
    assert sweep.experiment_of("pods", pod("ingress"), aimed).plan.watch == ("ingress",)


def test_the_limits_are_the_same_for_every_victim(here: Settings) -> None:
    there = here.model_copy(update={"stack": "celery-ha"})
    _same(here, sorted(OF))
    _same(there, ON_HA)


def _same(here: Settings, components: list[str]) -> None:
    of_each = [owed(sweep.experiment_of("pods", pod(component), here), here) for component in components]
    common = set.intersection(*(set(bounds) for bounds in of_each))
    assert {"redundancy.peers", "tasks.lost", "availability.read.outage", "rollback.time"} <= common
    assert all(bounds[name] == of_each[0][name] for bounds in of_each for name in common)


def test_triggerers_are_put_to_work_by_the_load_of_their_own_experiment(here: Settings) -> None:
    own, plain = (sweep.experiment_of("pods", pod(c), here).plan for c in ("triggerer", "redis"))
    about = load(named("triggerer-kill")).plan
    assert (own.workload, own.writer) == (about.workload, about.writer)
    assert plain.workload == load(named("any-one-pod")).plan.workload


def test_a_node_is_aimed_at_by_its_name(here: Settings) -> None:
    one = sweep.experiment_of("nodes", Place(name="worker2", uid="u", owner="Node", part="worker2"), here)
    allowed.check(one)
    assert one.method()[0]["provider"]["arguments"]["node"] == "worker2"


def test_the_shipped_file_is_left_as_it_is(here: Settings) -> None:
    before = load(named("any-one-pod"))
    sweep.experiment_of("pods", pod("kube-dns"), here)
    assert load(named("any-one-pod")) == before


THERE = [pod("api-server", 0), pod("api-server", 1), pod("redis")]


def names(places: list[Place]) -> list[str]:
    return [one.uid for one in places]


def test_victims_are_named_by_pod_by_component_or_by_part() -> None:
    begun = swept(THERE, [])
    assert sweep.chosen(begun, (), "1/1") == THERE
    assert names(sweep.chosen(begun, ("redis-0",), "1/1")) == ["redis-0"]
    assert names(sweep.chosen(begun, ("airflow/api-server-1", "redis"), "1/1")) == ["api-server-1", "redis-0"]
    assert names(sweep.chosen(begun, ("api-server",), "1/1")) == ["api-server-0", "api-server-1"]
    parts = [sweep.chosen(begun, (), f"{k}/2") for k in (1, 2)]
    assert sorted(names([*parts[0], *parts[1]])) == sorted(names(THERE))
    with pytest.raises(
        UsageError, match="there is no nonesuch to be hit; there are: api-server-0, api-server-1, redis"
    ):
        sweep.chosen(begun, ("nonesuch",), "1/1")
    with pytest.raises(UsageError, match="it is K/N"):
        sweep.chosen(begun, (), "3/2")


def test_it_goes_on_with_what_is_not_judged_yet() -> None:
    one, two, three = THERE
    doubtful = trial(two, INVALID)
    assert sweep.owed(swept(THERE, []), THERE) == THERE
    assert sweep.owed(swept(THERE, [trial(one), doubtful]), THERE) == [two, three]
    assert sweep.owed(swept(THERE, [trial(one), doubtful, doubtful, trial(three, FAIL)]), THERE) == []


class Cluster:
    """A stack of which each pod that is killed is replaced, and what comes of its runs: None is refused."""

    def __init__(self, *verdicts: Verdict | None, interrupted: int = -1) -> None:
        self.there = list(THERE)
        self.verdicts = verdicts
        self.interrupted = interrupted
        self.hit: list[str] = []
        self.remade: list[str] = []

    def of(self, *_: object) -> tuple[tuple[Place, ...], tuple[()]]:
        return tuple(self.there), ()

    def conduct(self, one: Experiment, settings: Settings, remade: str, opened: object) -> Result:
        number = len(self.remade)
        self.remade.append(remade)
        verdict = self.verdicts[number]
        if verdict is None:
            raise UsageError("the machine is not quiet enough")
        name = one.method()[0]["provider"]["arguments"]["name"]
        (gone,) = [p for p in self.there if p.name.endswith(f"/{name}")]
        self.there[self.there.index(gone)] = again(gone)
        self.hit.append(gone.uid)
        outcome = Outcome(run_id=f"r{number}", experiment="e", stack="celery", verdict=verdict, checks=())
        return Result(Path(str(number)), outcome, interrupted=number == self.interrupted)


@pytest.fixture
def swept_by(monkeypatch: pytest.MonkeyPatch, here: Settings) -> Any:
    def do(cluster: Cluster, begun: Sweep, turns: list[Place] | None = None) -> Sweep:
        monkeypatch.setattr(sweep, "Kube", lambda _: SimpleNamespace())
        monkeypatch.setattr(victims, "of", cluster.of)
        monkeypatch.setattr(victims, "unsettled", lambda *_: [])
        monkeypatch.setattr(sweep, "conduct_this", cluster.conduct)
        monkeypatch.setattr(sweep, "proved", lambda _, aim: aim)
        monkeypatch.setattr(ground, "ensure", lambda *_: "made anew")
        display: Any = None
        chosen = sweep.owed(begun, list(begun.there)) if turns is None else turns
        return sweep.run(begun, chosen, here, Showing(None, [], here.reports), display, lambda _: None)

    return do


def test_each_is_hit_once_and_what_was_there_in_the_end_is_kept(swept_by: Any, here: Settings) -> None:
    cluster = Cluster(PASS, FAIL, PASS)
    done = swept_by(cluster, swept(THERE, [], []))
    assert cluster.hit == names(THERE)
    assert (done.verdict, done.gaps) == (FAIL, ())
    assert [p.uid for p in done.after or ()] == [again(p).uid for p in THERE]
    assert cluster.remade == ["", "", "made anew"], "after what is no PASS, the steady state is made sure of"
    kept = Sweep.model_validate_json((here.reports / f"{done.name}.json").read_text(encoding="utf-8"))
    assert kept == done
    assert "api-server-1" in sweep.page(done, here).read_text(encoding="utf-8")


def test_what_could_not_be_judged_is_tried_once_more_on_what_took_its_place(swept_by: Any) -> None:
    cluster = Cluster(PASS, INVALID, PASS, INVALID, None)
    done = swept_by(cluster, swept(THERE, [], []))
    assert cluster.hit == ["api-server-0", "api-server-1", "api-server-0-2", "redis-0"]
    assert [done.verdict_of(p) for p in THERE] == [PASS, PASS, INVALID]
    assert done.trials[-1].because == "the machine is not quiet enough"
    assert done.verdict is INVALID


def test_what_is_refused_at_first_was_not_begun(swept_by: Any) -> None:
    with pytest.raises(UsageError, match="not quiet"):
        swept_by(Cluster(None), swept(THERE, [], []))


def test_an_interrupted_sweep_goes_on_where_it_stopped(swept_by: Any) -> None:
    cluster = Cluster(PASS, INVALID, PASS, PASS, interrupted=1)
    first = swept_by(cluster, swept(THERE, [], []))
    assert (len(first.trials), first.verdict) == (2, INVALID)
    done = swept_by(cluster, first)
    assert cluster.hit == ["api-server-0", "api-server-1", "api-server-0-2", "redis-0"]
    assert (done.verdict, done.gaps) == (PASS, ())


def test_a_pod_that_went_by_itself_has_its_turn_as_what_came_in_its_place(swept_by: Any) -> None:
    cluster = Cluster(PASS, PASS, PASS)
    cluster.there[2] = again(THERE[2], 9).model_copy(update={"name": "airflow/redis-0"})
    done = swept_by(cluster, swept(THERE, [], []))
    assert cluster.hit == ["api-server-0", "api-server-1", "redis-0-9"]
    assert done.verdict is PASS


def test_where_nothing_came_in_its_place_it_is_left_open(swept_by: Any) -> None:
    cluster = Cluster(PASS, PASS)
    del cluster.there[2]
    done = swept_by(cluster, swept(THERE, [], []))
    assert done.trials[-1].because == "nothing replaced airflow/redis-0"
    assert done.missed == (THERE[2],)
    assert done.verdict is INVALID


def test_a_stack_that_does_not_become_whole_again_is_said(swept_by: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = swept(THERE, [trial(THERE[0])], [])

    def never(*_: object) -> None:
        raise WaitTimeout("every pod of the stack Ready did not come true")

    monkeypatch.setattr(sweep, "_settle", never)
    with pytest.raises(HarnessError, match="did not come true"):
        swept_by(Cluster(PASS), begun)


class Standing:
    """What `begin` sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, there: list[Place], away: tuple[str, ...] = ()) -> None:
        monkeypatch.setattr(ground, "stands", lambda _: True)
        monkeypatch.setattr(sweep, "Kube", lambda _: SimpleNamespace())
        monkeypatch.setattr(victims, "of", lambda *_: (tuple(there), ()))
        monkeypatch.setattr(victims, "pods", lambda *_: (tuple(there), ()))
        monkeypatch.setattr(victims, "unsettled", lambda *_: list(away))
        monkeypatch.setattr(sweep, "suite_version", lambda: "0.1.0")


def test_the_newest_of_the_stack_is_gone_on_with(monkeypatch: pytest.MonkeyPatch, here: Settings) -> None:
    Standing(monkeypatch, THERE)
    fresh = sweep.begin("pods", here)
    assert (fresh.there, fresh.trials) == (tuple(THERE), ())
    begun = fresh.with_(trial(THERE[0])).model_copy(update={"name": "sweep-pods-celery-20260101-000000"})
    sweep._keep(begun, here)
    sweep._keep(begun.model_copy(update={"name": "sweep-pods-celery-ha-20270101-000000"}), here)
    Standing(monkeypatch, [again(p) for p in THERE])
    assert sweep.begin("pods", here) == begun
    assert sweep.begin("pods", here, again=True).trials == ()
    assert sweep.begin("nodes", here).trials == ()
    Standing(monkeypatch, THERE[1:])
    with pytest.raises(UsageError, match="the pods have changed since sweep-pods-celery-20260101-000000 began"):
        sweep.begin("pods", here)


def test_a_stack_that_is_not_steady_is_not_swept(monkeypatch: pytest.MonkeyPatch, here: Settings) -> None:
    Standing(monkeypatch, THERE, ("airflow/worker-1",))
    with pytest.raises(UsageError, match="not steady: airflow/worker-1 is not Ready"):
        sweep.begin("pods", here)
    monkeypatch.setattr(ground, "stands", lambda _: False)
    with pytest.raises(UsageError, match="celery is not up"):
        sweep.begin("pods", here)


def test_a_file_that_is_no_sweep_is_refused(here: Settings) -> None:
    (here.reports / "sweep-pods-celery-20260101-000000.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="move it away"):
        sweep.newest("pods", here)


def test_what_is_published_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{pages.BEGIN}\nold\n{pages.END}\nafter\n", encoding="utf-8")
    first = swept([place("redis-0")], [trial(place("redis-0"), FAIL)])
    for one in (first, first.model_copy(update={"stack": "celery-ha"}), first.model_copy(update={"name": "newer"})):
        sweep.publish(one, tmp_path, readme)
    assert [(one.stack, one.name) for one in sweep.read(tmp_path / sweep.NAME)] == [
        ("celery", "newer"),
        ("celery-ha", "sweep"),
    ]
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| `celery` | FAIL: 0 of 1 may die; not `redis-0` |" in text
    assert "## Pods of celery-ha" in (tmp_path / "sweep.md").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="no place for the sweeps"):
        pages.within("a page", "a table")


def test_what_stands_in_the_documents_is_what_was_published() -> None:
    known = sweep.read(sweep.DOCS / sweep.NAME)
    assert (sweep.DOCS / "sweep.md").read_text(encoding="utf-8") == pages.markdown(known)
    readme = sweep.README.read_text(encoding="utf-8")
    assert pages.within(readme, pages.brief(known)) == readme

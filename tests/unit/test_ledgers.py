"""A ledger beside an Airflow of others: whole, harmless to lay down twice, gone without a trace, and never where it may
not be. Its password is in two Secrets and nowhere else."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import ledgers
from harness.errors import UsageError
from harness.kube.manifests import PLACES
from harness.settings import Settings
from harness.stack import recipes
from harness.target import Target
from tests.unit.kube.cluster import lead, namespace
from tests.unit.kube.coordination import REVIEWS, reviewed
from tests.unit.loopback import Reply, Request, Server, serving
from tests.unit.test_cli import Call, call

__all__ = ["call"]
Json = dict[str, Any]
FLOW, HOME = "/api/v1/namespaces/flow", "/api/v1/namespaces/airflow-chaos-ledger"
OWN, GIVEN = f"{HOME}/secrets/ledger", f"{FLOW}/secrets/airflow-chaos-ledger"
DEPLOYMENT = "/apis/apps/v1/namespaces/airflow-chaos-ledger/deployments/ledger"
READY = {"observedGeneration": 1, "updatedReplicas": 1, "replicas": 1, "availableReplicas": 1}


class Cluster:
    """Keeps what is laid down as a server would; Redis is Ready as soon as its Deployment is there, unless `waits`."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {FLOW: namespace("flow", allow="true")}
        self.lacking: set[str] = set()
        self.waits = ""
        self.refuses = ""
        self._made = 0

    def __call__(self, request: Request) -> Reply:
        if request.path == REVIEWS:
            return reviewed(request, lambda asked: f"{asked['verb']} {asked['resource']}" not in self.lacking)
        if request.method == "PATCH":
            return self._apply(request)
        if request.method == "DELETE":
            gone = [path for path in self.objects if f"{path}/".startswith(f"{request.path}/")]
            gone += [path for path in self.objects if f"/namespaces/{request.path.rpartition('/')[2]}/" in path]
            return Reply(200 if [self.objects.pop(path, None) for path in gone] else 404, {})
        if request.path.endswith("/pods"):
            state = {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": self.waits}}}]}
            return Reply(200, {"items": [{"metadata": {}, "status": state}] if self.waits else []})
        found = self.objects.get(request.path)
        return Reply(200, found) if found else Reply(404, {"message": "no"})

    def _apply(self, request: Request) -> Reply:
        if self.refuses and request.path == self.refuses:
            return Reply(422, {"message": f"bad: {request.body}"})
        self._made += 1
        body, before = dict(request.body), self.objects.get(request.path)
        uid = before["metadata"]["uid"] if before else f"uid-{self._made}"
        body["metadata"] = {**body["metadata"], "uid": uid, "generation": 1}
        texts = body.pop("stringData", {})
        body |= (
            {"data": {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}} if texts else {}
        )
        body |= {"status": {} if self.waits else READY} if body["kind"] == "Deployment" else {}
        self.objects[request.path] = body
        return Reply(200, body)

    def held(self, path: str, key: str) -> str:
        return base64.b64decode(self.objects[path]["data"][key]).decode()

    @property
    def password(self) -> str:
        return self.held(GIVEN, "password")


Laid = tuple[Cluster, Settings, Server]


def settings_of(folder: Path, url: str, context: str = "staging", **more: Any) -> Settings:
    lead(folder / "kubeconfig", url, context)
    target = Target(name="mine", context=context, kubeconfig=str(folder / "kubeconfig"), namespace="flow", **more)
    return Settings(cache=folder, target=target)


@pytest.fixture
def laid(tmp_path: Path) -> Iterator[Laid]:
    cluster = Cluster()
    with serving(cluster) as server:
        yield cluster, settings_of(tmp_path, server.url), server


def quietly(_: str) -> None:
    pass


def changed(server: Server) -> list[str]:
    return [f"{one.method} {one.path}" for one in server.asked if one.method != "GET" and one.path != REVIEWS]


def test_all_of_it_is_there_afterwards_and_nothing_once_it_is_removed(laid: Laid) -> None:
    cluster, settings, _ = laid
    ledgers.install(settings, "", quietly)
    kinds = sorted(one["kind"] for one in cluster.objects.values())
    assert kinds == ["Deployment", "Namespace", "Namespace", "NetworkPolicy", "Secret", "Secret", "Service"]
    assert cluster.held(OWN, "redis.conf") == f"requirepass {cluster.password}\n"
    assert cluster.held(GIVEN, "url") == f"redis://:{cluster.password}@ledger.airflow-chaos-ledger.svc:6379/0"
    assert ledgers.remove(settings) == ["Secret flow/airflow-chaos-ledger", "Namespace airflow-chaos-ledger"]
    assert list(cluster.objects) == [FLOW]
    assert ledgers.remove(settings) == []


def test_it_is_the_one_of_our_own_stacks_but_for_where_it_stands(laid: Laid) -> None:
    cluster, settings, _ = laid
    ledgers.install(settings, "", quietly)
    ours = {one["kind"]: one for one in yaml.safe_load_all(ledgers.MANIFEST.read_text(encoding="utf-8"))}
    made = {one["kind"]: one for one in cluster.objects.values()}
    service, (port,) = made["Service"]["spec"], made["Service"]["spec"]["ports"]
    assert (service["type"], "nodePort" in port) == ("ClusterIP", False)
    assert service["selector"].items() <= made["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    (rule,) = made["NetworkPolicy"]["spec"]["ingress"]
    let_in = [one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for one in rule["from"]]
    assert let_in == ["flow", "airflow-chaos"]
    own, there = (found["Deployment"]["spec"]["template"]["spec"] for found in (ours, made))
    assert "nodeSelector" not in there
    assert there["containers"][0] == own["containers"][0] | {"image": recipes.load().images["redis"].pinned}
    assert there["volumes"] == own["volumes"]
    assert there["securityContext"] == own["securityContext"]


def test_nothing_stands_in_the_order_in_which_it_could_be_seen_half_made(laid: Laid) -> None:
    """The policy is there before the pod, and the Secret that tasks read comes last."""
    _, settings, server = laid
    ledgers.install(settings, "", quietly)
    order = [line.rpartition("/")[0].rpartition("/")[2] for line in changed(server)]
    assert order[0] == "namespaces"
    assert order.index("networkpolicies") < order.index("deployments")
    assert changed(server)[-1] == f"PATCH {GIVEN}"


def test_another_image_is_taken_where_one_is_named(laid: Laid) -> None:
    cluster, settings, _ = laid
    ledgers.install(settings, "registry.example/redis:7", quietly)
    (container,) = cluster.objects[DEPLOYMENT]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/redis:7"


@pytest.mark.parametrize("lost", [(), (GIVEN,), (OWN,)], ids=["nothing", "that beside Airflow", "its own"])
def test_another_install_keeps_the_password(laid: Laid, lost: tuple[str, ...]) -> None:
    cluster, settings, _ = laid
    ledgers.install(settings, "", quietly)
    before = cluster.password
    for path in lost:
        del cluster.objects[path]
    ledgers.install(settings, "", quietly)
    assert cluster.password == before
    assert cluster.held(OWN, "redis.conf") == f"requirepass {before}\n"


def test_a_pod_that_began_with_another_password_is_replaced(laid: Laid) -> None:
    cluster, settings, _ = laid
    ledgers.install(settings, "", quietly)
    began, before = cluster.objects[DEPLOYMENT]["spec"]["template"], cluster.password
    ledgers.install(settings, "", quietly)
    assert cluster.objects[DEPLOYMENT]["spec"]["template"] == began
    del cluster.objects[OWN], cluster.objects[GIVEN]
    ledgers.install(settings, "", quietly)
    assert cluster.password != before
    assert cluster.objects[DEPLOYMENT]["spec"]["template"] != began


Change = Callable[[Cluster, Settings], Settings]


def unlabelled(cluster: Cluster, settings: Settings) -> Settings:
    cluster.objects[FLOW] = namespace("flow")
    return settings


def production(_: Cluster, settings: Settings) -> Settings:
    return settings.model_copy(update={"production_words": ("staging",)})


def home_in_production(_: Cluster, settings: Settings) -> Settings:
    return settings.model_copy(update={"ledger_namespace": "prod-ledger"})


def beside_airflow(_: Cluster, settings: Settings) -> Settings:
    return settings.model_copy(update={"ledger_namespace": "flow"})


def of_somebody(cluster: Cluster, settings: Settings) -> Settings:
    cluster.objects[HOME] = namespace("airflow-chaos-ledger")
    return settings


def of_another(cluster: Cluster, settings: Settings) -> Settings:
    cluster.objects[HOME] = namespace("airflow-chaos-ledger")
    cluster.objects[HOME]["metadata"]["labels"] = ledgers._labels(settings) | {ledgers.OF: "another"}
    return settings


def going(cluster: Cluster, settings: Settings) -> Settings:
    cluster.objects[HOME] = namespace("airflow-chaos-ledger")
    cluster.objects[HOME]["metadata"] |= {"labels": ledgers._labels(settings), "deletionTimestamp": "now"}
    return settings


def taken(cluster: Cluster, settings: Settings) -> Settings:
    cluster.objects[GIVEN] = {"kind": "Secret", "metadata": {"name": "airflow-chaos-ledger"}}
    return settings


def without_a_right(cluster: Cluster, settings: Settings) -> Settings:
    cluster.lacking = {"create networkpolicies", "create namespaces"}
    return settings


def without_a_target(_: Cluster, settings: Settings) -> Settings:
    return settings.model_copy(update={"target": None})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (unlabelled, "namespace flow is not labelled airflow-chaos/allow=true"),
        (production, "context staging looks like production"),
        (home_in_production, "namespace prod-ledger looks like production"),
        (beside_airflow, "the ledger would be in flow"),
        (
            of_somebody,
            "namespace airflow-chaos-ledger exists and is not a ledger of flow; set AIRFLOW_CHAOS_LEDGER_NAME",
        ),
        (of_another, "namespace airflow-chaos-ledger exists and is not a ledger of flow"),
        (going, "is still being removed"),
        (taken, "the Secret flow/airflow-chaos-ledger exists and is not ours"),
        (
            without_a_right,
            "create namespaces in the whole cluster; create networkpolicies.* in airflow-chaos-ledger; nothing",
        ),
        (without_a_target, "name another Airflow with --target FILE"),
    ],
)
def test_where_it_may_not_be_nothing_is_changed(laid: Laid, change: Change, said: str) -> None:
    cluster, settings, server = laid
    with pytest.raises(UsageError, match=said):
        ledgers.install(change(cluster, settings), "", quietly)
    assert changed(server) == []


@pytest.mark.parametrize("change", [unlabelled, production, without_a_target])
def test_nor_is_anything_removed_there(laid: Laid, change: Change) -> None:
    cluster, settings, server = laid
    ledgers.install(settings, "", quietly)
    before = changed(server)
    with pytest.raises(UsageError):
        ledgers.remove(change(cluster, settings))
    assert changed(server) == before


@pytest.mark.parametrize("change", [of_somebody, of_another, taken])
def test_what_is_not_ours_stays(laid: Laid, change: Change) -> None:
    cluster, settings, server = laid
    change(cluster, settings)
    assert ledgers.remove(settings) == []
    assert changed(server) == []


def test_who_may_not_remove_removes_nothing(laid: Laid) -> None:
    cluster, settings, server = laid
    ledgers.install(settings, "", quietly)
    before = changed(server)
    cluster.lacking = {"delete namespaces"}
    with pytest.raises(UsageError, match="does not let us delete namespaces airflow-chaos-ledger in the whole cluster"):
        ledgers.remove(settings)
    assert changed(server) == before


def test_a_namespace_that_is_there_needs_no_right_to_make_one(laid: Laid) -> None:
    cluster, settings, _ = laid
    cluster.objects[HOME] = namespace("airflow-chaos-ledger")
    cluster.objects[HOME]["metadata"]["labels"] = ledgers._labels(settings)
    cluster.lacking = {"create namespaces", "patch namespaces"}
    ledgers.install(settings, "", quietly)
    assert cluster.password


def test_an_image_that_does_not_come_is_told_of(laid: Laid, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, settings, _ = laid
    monkeypatch.setattr(ledgers, "READY_SECONDS", 0.1)
    cluster.waits = "no such image"
    with pytest.raises(UsageError, match=r"last seen: no such image; .*--image"):
        ledgers.install(settings, "", quietly)
    assert GIVEN not in cluster.objects


@pytest.mark.parametrize("path", [OWN, GIVEN])
def test_an_answer_that_quotes_what_was_sent_is_not_repeated(laid: Laid, path: str, call: Call, tmp_path: Path) -> None:
    cluster, settings, server = laid
    cluster.refuses = path
    code, out, err = call("ledger", "install", "--target", str(file(tmp_path, settings)))
    sent = json.dumps([one.body for one in server.asked if one.method == "PATCH"])
    password = re.findall(r"requirepass ([\w-]+)", sent)[0]
    assert code == 70
    assert "was not taken (422)" in err
    assert password not in out + err


def file(folder: Path, settings: Settings) -> Path:
    path = folder / "mine.yaml"
    assert settings.target
    path.write_text(yaml.safe_dump(settings.target.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    return path


def test_what_is_printed_says_what_to_do_and_never_the_password(laid: Laid, call: Call, tmp_path: Path) -> None:
    cluster, settings, _ = laid
    path = file(tmp_path, settings)
    code, out, err = call("ledger", "install", "--target", str(path))
    assert code == 0, err
    assert cluster.password not in out + err
    said = yaml.safe_load(out)
    path.write_text(path.read_text(encoding="utf-8") + yaml.safe_dump({"ledger": said["ledger"]}), encoding="utf-8")
    ledger = Settings.of(target=str(path)).aim.ledger
    assert ledger == ledgers.seen_from_here()
    assert ledger.secret
    assert cluster.held(f"{FLOW}/secrets/{ledger.secret}", ledger.key) == cluster.password
    (reads,) = said["secret"]
    assert reads["envName"] == "AIRFLOW_CHAOS_LEDGER"
    assert cluster.held(f"{FLOW}/secrets/{reads['secretName']}", reads["secretKey"]).startswith("redis://:")
    where = f"--kubeconfig {tmp_path}/kubeconfig --context staging --namespace airflow-chaos-ledger"
    assert f"# kubectl {where} port-forward service/ledger {ledger.port}:6379" in out
    code, out, _ = call("ledger", "remove", "--target", str(path))
    assert (code, out.splitlines()[-1]) == (0, "Namespace airflow-chaos-ledger")
    code, out, _ = call("ledger", "remove", "--target", str(path))
    assert (code, out) == (0, "nothing was there\n")


def test_each_kind_has_its_place() -> None:
    kinds = {one["kind"] for one in yaml.safe_load_all(ledgers.MANIFEST.read_text(encoding="utf-8"))}
    assert kinds <= PLACES.keys()

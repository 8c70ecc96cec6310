"""With a target, everything is done there: its cluster, its namespace, its address, its login; or it is skipped."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import bounds, rights
from harness.errors import OutOfReach, UsageError
from harness.experiment import check, load
from harness.kube import Kube
from harness.kube.permit import place_of
from harness.ledger import Ledger
from harness.preflight import enter, watched
from harness.settings import ROOT, Settings
from harness.stack.access import Access, open_access
from tests.unit.kube.cluster import lead, namespace
from tests.unit.kube.coordination import REVIEWS, reviewed
from tests.unit.loopback import Reply, Request, Server, serving
from tests.unit.plans import activity, experiment
from tests.unit.test_cli import Call, call

__all__ = ["call"]
WHOLE: dict[str, Any] = {
    "name": "mine",
    "context": "theirs",
    "namespace": "flow",
    "url": "http://10.1.2.3:8080",
    "login": {"user": "me", "secret": "logins", "key": "password"},
    "ledger": {"host": "10.1.2.4", "port": 6379},
}
KILLS = check("x", experiment())
QUIET = check("x", experiment(component="none", blast=None) | {"method": []})


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A target's file, which the environment names; its cluster is where `serve` says."""
    monkeypatch.setenv("AIRFLOW_CHAOS_TARGET", str(tmp_path / "mine.yaml"))
    monkeypatch.setenv("AIRFLOW_CHAOS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("AIRFLOW_CHAOS_NAMESPACE", raising=False)
    return aimed(tmp_path)


def aimed(folder: Path, url: str = "http://127.0.0.1:1", **more: Any) -> Path:
    kubeconfig, path = folder / "theirs", folder / "mine.yaml"
    lead(kubeconfig, url, "theirs")
    said = {**WHOLE, "kubeconfig": str(kubeconfig), **more}
    path.write_text(yaml.safe_dump({k: v for k, v in said.items() if v is not None}), encoding="utf-8")
    return path


def cluster(request: Request) -> Reply:
    if request.path == REVIEWS:
        return reviewed(request, lambda _: True)
    if request.path.endswith("/secrets/logins"):
        return Reply(200, {"data": {"password": base64.b64encode(b"hush").decode()}})
    return Reply(200, namespace(request.path.split("/")[4], allow="true"))


def test_the_environment_names_it_for_every_way_to_run(there: Path) -> None:
    for settings in (Settings(), Settings.of(stack="local")):
        assert settings.target is not None
        assert (settings.aim.name, settings.namespace) == ("mine", "flow")
    assert Settings.of(stack="local").deployment == "local-at-mine"


def test_an_option_names_it_too(there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CHAOS_TARGET")
    assert Settings.of(target="").target is None
    assert Settings.of(target=str(there)).aim.name == "mine"


def test_our_own_kubeconfig_stays_our_own(there: Path, tmp_path: Path) -> None:
    """`down` removes it."""
    assert Settings().kubeconfig == tmp_path / "cache" / "kubeconfig"
    assert Settings().aim.path == tmp_path / "theirs"


def test_a_namespace_besides_is_refused(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CHAOS_NAMESPACE", "airflow")
    with pytest.raises(UsageError, match="the target is in namespace flow, but airflow is given"):
        Settings.of()


def test_it_is_reached_by_its_own_context(there: Path, tmp_path: Path) -> None:
    assert place_of(Settings()).context == "theirs"
    aimed(tmp_path, context="gone")
    with pytest.raises(UsageError, match=r"has no context gone, which is the target's; there are: theirs"):
        place_of(Settings())


def test_it_is_no_cluster_of_ours_and_must_be_allowed(there: Path, tmp_path: Path) -> None:
    with serving(lambda _: Reply(200, namespace("flow"))) as server:
        aimed(tmp_path, server.url)
        kube = Kube(Settings())
        assert not kube.ours
        with pytest.raises(UsageError, match="not labelled airflow-chaos/allow=true"):
            kube.pods("flow")


def test_login_and_address_are_those_of_its_file(there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(cluster) as server:
        aimed(tmp_path, server.url)
        settings = Settings()
        assert open_access(settings, Kube(settings)) == Access(
            "http://10.1.2.3:8080", "hush", Ledger(6379, "", "10.1.2.4"), user="me"
        )
        assert server.asked_for("GET", "/api/v1/namespaces/flow/secrets/logins")
        aimed(tmp_path, server.url, login={"env": "SURELY_NOT_SET"})
        with pytest.raises(UsageError, match="is not there: the environment variable SURELY_NOT_SET"):
            open_access(Settings(), Kube(Settings()))
        monkeypatch.setenv("SURELY_NOT_SET", "whisper")
        assert open_access(Settings(), Kube(Settings())).password == "whisper"
        aimed(tmp_path, server.url, ledger=WHOLE["ledger"] | {"secret": "logins", "key": "password"})
        assert open_access(Settings(), Kube(Settings())).ledger == Ledger(6379, "hush", "10.1.2.4")
        aimed(tmp_path, server.url, ledger=WHOLE["ledger"] | {"tls": True, "ca": str(tmp_path / "ca.pem")})
        with pytest.raises(UsageError, match=r"the ledger's ca of the target mine is not a file: .*/ca\.pem"):
            open_access(Settings(), Kube(Settings()))
        (tmp_path / "ca.pem").touch()
        known = Ledger(6379, "", "10.1.2.4", tls=True, authority=tmp_path / "ca.pem")
        assert open_access(Settings(), Kube(Settings())).ledger == known


def test_it_may_have_no_ledger(there: Path, tmp_path: Path) -> None:
    with serving(cluster) as server:
        aimed(tmp_path, server.url, ledger=None)
        assert open_access(Settings(), Kube(Settings())) == Access("http://10.1.2.3:8080", "hush", None, user="me")
    assert entering(tmp_path, KILLS, ledger=None).asked


def test_without_a_ledger_scheduled_work_is_left_out_and_it_is_said_once_what_nobody_can_judge(
    there: Path, tmp_path: Path
) -> None:
    one = load(ROOT / "experiments" / "scheduler-kill.json")
    with_one = Settings.of()
    aimed(tmp_path, ledger=None)
    without = Settings.of()
    assert bounds.scheduled(one, with_one)
    assert bounds.unjudged(one, with_one, bounds.owed(one, with_one)) == ""
    assert bounds.scheduled(one, without) == ()
    gone = bounds.owed(one, with_one).keys() - bounds.owed(one, without).keys()
    assert {name.partition(".")[0] for name in gone} == {"assets", "schedule"}
    said = bounds.unjudged(one, without, bounds.owed(one, without))
    assert said.startswith("the target mine has no ledger: of ")
    assert "5 cannot PASS there, and scheduled DAGs are not started (" in said
    assert "\n" not in said


def test_an_agent_is_made_only_where_its_owner_allows_it(there: Path, tmp_path: Path) -> None:
    def closed(request: Request) -> Reply:
        return Reply(200, namespace("tools")) if request.path.endswith("/namespaces/tools") else cluster(request)

    with serving(closed) as server:
        aimed(tmp_path, server.url, nodes="agent", agent={"namespace": "tools"})
        with pytest.raises(UsageError, match="namespace tools is not labelled airflow-chaos/allow=true"):
            enter(KILLS, Settings())
        assert {asked.method for asked in server.asked if asked.path != REVIEWS} == {"GET"}


def test_nothing_of_our_own_stack_is_asked_for_there(there: Path) -> None:
    found = rights.needed([QUIET], Settings())
    assert {right.namespace for right in found} == {"", "flow"}
    assert [right.name for right in found if right.resource == "secrets"] == ["logins"]
    assert not [right for right in found if right.resource == "services"]


def entering(tmp_path: Path, one: Any, **more: Any) -> Server:
    with serving(cluster) as server:
        aimed(tmp_path, server.url, **more)
        kube = enter(one, Settings())
        assert watched(Settings(), kube) == ("flow", *more.get("beside", ()))
        return server


def test_what_it_can_do_is_let_in(there: Path, tmp_path: Path) -> None:
    assert entering(tmp_path, QUIET).asked
    for nodes in ("docker", "agent", "closed"):
        assert entering(tmp_path, KILLS, nodes=nodes, beside=["edge"]).asked


def test_what_it_cannot_do_is_skipped_with_the_reason_and_nobody_is_asked(there: Path, tmp_path: Path) -> None:
    with serving(cluster) as server:
        aimed(tmp_path, server.url)
        crash = activity("action", "harness.chaos.actions", "crash_pods", selector="component=x")
        with pytest.raises(OutOfReach, match="the target mine: crash_pods needs nodes, which are closed"):
            enter(check("x", experiment() | {"method": [crash]}), Settings())
        theirs = activity("action", "chaosk8s.node.actions", "drain_nodes", name="worker")
        with pytest.raises(OutOfReach, match=r"chaosk8s\.node\.actions\.drain_nodes needs nodes, which belong to all"):
            enter(check("x", experiment() | {"method": [theirs]}), Settings())
        aimed(tmp_path, server.url, login=None)
        with pytest.raises(OutOfReach, match=r"all that a run needs: login: by which DAG runs are triggered$"):
            enter(QUIET, Settings())
        assert server.asked == []


@pytest.mark.parametrize("words", [("up",), ("down",), ("mutants",)])
def test_nothing_is_made_or_taken_down_there(there: Path, call: Call, words: tuple[str, ...]) -> None:
    code, _, err = call(*words)
    assert code == 64
    assert "unset AIRFLOW_CHAOS_TARGET" in err


def test_a_file_that_is_wrong_is_one_line(there: Path, call: Call) -> None:
    there.write_text("name: x\n", encoding="utf-8")
    code, _, err = call("status")
    assert code == 64
    assert err.startswith("error: mine.yaml: context: ")

"""A target's file says what is known of it, is refused with the place of what is wrong, and holds no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import UsageError
from harness.target import Agent, LedgerAt, Login, Part, Target, kind, read, written

GOOD: dict[str, Any] = {
    "name": "mine",
    "context": "mine",
    "namespace": "flow",
    "url": "http://10.1.2.3:8080",
    "login": {"user": "me", "secret": "logins", "key": "password"},
    "ledger": {"host": "10.1.2.4", "port": 6379},
    "components": {"scheduler": [{"kind": "Deployment", "name": "s", "selector": "a=b", "replicas": 2}]},
}


def file(tmp_path: Path, said: Any) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(said if isinstance(said, str) else yaml.safe_dump(said), encoding="utf-8")
    return path


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    found = read(file(tmp_path, GOOD))
    assert found.components == {"scheduler": (Part(kind="Deployment", name="s", selector="a=b", replicas=2),)}
    assert found.lacks() == []
    again = file(tmp_path, written(found, ["url: nobody knows", "ledger: none"]))
    assert again.read_text(encoding="utf-8").startswith("# not found: url: nobody knows\n# not found: ledger: none\n")
    assert read(again) == found


def test_agents_have_a_namespace_of_their_own_and_no_image_to_begin_with(tmp_path: Path) -> None:
    found = read(file(tmp_path, GOOD | {"nodes": "agent"}))
    assert found.agent == Agent(namespace="airflow-chaos-agent", image="")
    more = read(file(tmp_path, GOOD | {"nodes": "agent", "agent": {"namespace": "tools", "image": "tools:1"}}))
    assert read(file(tmp_path, written(more, []))).agent == Agent(namespace="tools", image="tools:1")
    assert read(file(tmp_path, GOOD)).nodes == "closed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"context": None}, "mine.yaml: context: "),
        ({"namespace": "Air Flow"}, "mine.yaml: namespace: "),
        ({"url": "https://10.1.2.3"}, "mine.yaml: url: "),
        ({"url": "http://10.1.2.3/airflow"}, "mine.yaml: url: "),
        ({"surprise": 1}, "mine.yaml: surprise: "),
        ({"nodes": "ssh"}, "mine.yaml: nodes: "),
        ({"nodes": "agent", "agent": {"namespace": "Not So"}}, "mine.yaml: agent.namespace: "),
        ({"agent": {"image": "tools:1"}}, "mine.yaml: agent is for nodes: agent, and nodes are closed"),
        ({"login": {"user": "me", "password": "open"}}, "mine.yaml: login.password: "),
        ({"login": {"user": "me"}}, "mine.yaml: login: a password is kept in a secret"),
        ({"login": {"secret": "a", "key": "b", "env": "C"}}, "mine.yaml: login: a password is kept in a secret"),
        ({"login": {"secret": "a"}}, "mine.yaml: login: a password is kept in a secret"),
        ({"login": {"env": "A", "key": "b"}}, "mine.yaml: login: a password is kept in a secret"),
        ({"ledger": {"port": 0}}, "mine.yaml: ledger.port: "),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(file(tmp_path, GOOD | change))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("text", ["", "- a", "a: [", "on: 1"])
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"mine\.yaml"):
        read(file(tmp_path, text))


def test_where_there_is_none_it_is_said_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="make it with `harness target discover`"):
        read(tmp_path / "none.yaml")


def test_what_a_run_needs_and_is_not_there_is_named(tmp_path: Path) -> None:
    bare = {name: GOOD[name] for name in ("name", "context", "namespace")}
    assert [one.partition(":")[0] for one in read(file(tmp_path, bare)).lacks()] == ["url", "login"]


def test_a_file_without_a_ledger_says_what_that_means_and_how_to_name_one(tmp_path: Path) -> None:
    target = Target(name="x", context="c", namespace="n")
    text = written(target, ("login: none",))
    assert read(file(tmp_path, text)) == target
    shown = "".join(line.removeprefix("# ") + "\n" for line in text.splitlines()[-3:])
    assert read(file(tmp_path, text + shown)).ledger == LedgerAt(host="10.0.0.1", port=6379)
    with_one = target.model_copy(update={"ledger": LedgerAt(port=1)})
    assert "No ledger" not in written(with_one, ())


def test_a_kubeconfig_is_the_one_that_is_named_or_kubectls_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    where = Target(name="x", context="c", namespace="n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert where.path == tmp_path / ".kube" / "config"
    monkeypatch.setenv("KUBECONFIG", f":{tmp_path / 'a'}:{tmp_path / 'b'}")
    assert where.path == tmp_path / "a"
    assert where.model_copy(update={"kubeconfig": "~/mine"}).path == tmp_path / "mine"


def test_kind_is_one_target_among_others(tmp_path: Path) -> None:
    ours = kind("c", "airflow", tmp_path / "kubeconfig", 1234)
    assert (ours.context, ours.namespaces, ours.nodes) == ("kind-c", ("airflow", "ingress"), "docker")
    assert ours.ledger == LedgerAt(host="127.0.0.1", port=1234, secret="airflow-secrets", key="ledger-password")
    assert ours.login == Login(secret="airflow-secrets", key="admin-password")
    assert Target.model_validate(ours.model_dump()) == ours

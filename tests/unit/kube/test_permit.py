"""Faults stay where they are allowed: asked of the server each time, and of the cluster that the run began on."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.kube import Kube, KubeError
from harness.kube.permit import looks_like_production, place_of
from harness.settings import Settings
from tests.unit.kube.cluster import Json, listing, namespace, settings_for
from tests.unit.kube.test_client import NAMESPACE, PODS, status
from tests.unit.loopback import Reply, Request, serving

WORDS = Settings().production_words
Change = Callable[[dict[str, Any]], None]


def answering(*namespaces: Json | None) -> Callable[[Request], Reply]:
    """The namespace as it is, one answer after another; the last one stays."""
    turns = list(namespaces)

    def answer(request: Request) -> Reply:
        if request.path != NAMESPACE:
            return Reply(200, listing("Pod", []))
        now = turns.pop(0) if len(turns) > 1 else turns[0]
        return status(404) if now is None else Reply(200, now)

    return answer


def test_the_server_is_asked_each_time(tmp_path: Path) -> None:
    with serving(answering(namespace(allow="true"))) as server:
        kube = Kube(settings_for(tmp_path, server.url, context="staging"))
        kube.confirm("airflow")
        kube.confirm("airflow")
        kube.pods("airflow")
    assert [r.path for r in server.asked] == [NAMESPACE, NAMESPACE, PODS]


@pytest.mark.parametrize("then", [None, namespace(), namespace(allow="false")])
def test_a_label_that_is_taken_away_ends_it_but_not_the_undo(tmp_path: Path, then: Json | None) -> None:
    with serving(answering(namespace(allow="true"), then)) as server:
        kube = Kube(settings_for(tmp_path, server.url, context="staging"))
        kube.confirm("airflow")
        with pytest.raises(UsageError, match="namespace airflow is not labelled airflow-chaos/allow=true"):
            kube.confirm("airflow")
        assert kube.pods("airflow") == []


def test_another_cluster_behind_the_same_address_is_noticed(tmp_path: Path) -> None:
    with serving(answering(namespace(uid="one"), namespace(uid="two"))) as server:
        kube = Kube(settings_for(tmp_path, server.url))
        kube.confirm("airflow")
        with pytest.raises(UsageError, match="another one than when the run began"):
            kube.confirm("airflow")


def test_our_cluster_must_have_the_namespace(tmp_path: Path) -> None:
    with serving(answering(None)) as server, pytest.raises(UsageError, match="has no namespace airflow; run `harness"):
        Kube(settings_for(tmp_path, server.url)).confirm("airflow")


def another_server(config: dict[str, Any]) -> None:
    config["clusters"][0]["cluster"]["server"] = "https://elsewhere.invalid"


def another_authority(config: dict[str, Any]) -> None:
    config["clusters"][0]["cluster"]["certificate-authority-data"] = "QQ=="


def another_context(config: dict[str, Any]) -> None:
    config["contexts"].append({**config["contexts"][0], "name": "other"})
    config["contexts"].pop(0)
    config["current-context"] = "other"


@pytest.mark.parametrize("change", [another_server, another_authority, another_context])
def test_a_kubeconfig_that_leads_elsewhere_in_mid_run_is_noticed_before_anything_is_asked(
    tmp_path: Path, change: Change
) -> None:
    with serving(answering(namespace())) as server:
        settings = settings_for(tmp_path, server.url)
        kube = Kube(settings)
        kube.confirm("airflow")
        config = yaml.safe_load(settings.kubeconfig.read_text(encoding="utf-8"))
        change(config)
        settings.kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
        with pytest.raises(UsageError, match=r"the kubeconfig led to context kind-airflow-chaos .* and leads to"):
            kube.confirm("airflow")
    assert len(server.asked) == 1


def test_a_certificate_of_its_own_file_counts_by_its_content(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "https://127.0.0.1:1")
    config = yaml.safe_load(settings.kubeconfig.read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
    settings.kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
    found = []
    for content in (b"one", b"one", b"two"):
        (tmp_path / "ca.crt").write_bytes(content)
        found.append(place_of(settings))
    assert found[0] == found[1] != found[2]
    (tmp_path / "ca.crt").unlink()
    with pytest.raises(UsageError, match="names no cluster"):
        place_of(settings)


@pytest.mark.parametrize(
    ("context", "space", "said"),
    [("eu-prod-1", "airflow", "context eu-prod-1"), ("staging", "airflow-live", "namespace airflow-live")],
)
def test_what_looks_like_production_is_refused_before_anything_is_sent(
    tmp_path: Path, context: str, space: str, said: str
) -> None:
    with serving(answering(namespace(allow="true"))) as server:
        kube = Kube(settings_for(tmp_path, server.url, context=context))
        for ask in (kube.guard, kube.confirm):
            with pytest.raises(UsageError, match=f"{said} looks like production"):
                ask(space)
    assert server.asked == []


def test_which_words_mean_production_can_be_said(tmp_path: Path) -> None:
    with serving(answering(namespace(allow="true"))) as server:
        settings = settings_for(tmp_path, server.url, context="prod").model_copy(update={"production_words": ("gold",)})
        Kube(settings).confirm("airflow")
        with pytest.raises(UsageError, match="looks like production, by the word 'gold'"):
            Kube(settings).confirm("gold")


@pytest.mark.parametrize(
    "name",
    [
        "prod",
        "PROD",
        "eu-prod",
        "prod_2",
        "prod1",
        "arn:aws:eks:eu:1:cluster/prod",
        "gkeProdEu",
        "air.production",
        "a live b",
    ],
)
def test_a_word_is_found_however_it_stands(name: str) -> None:
    assert looks_like_production(name, WORDS)


@pytest.mark.parametrize(
    "name", ["", "product", "reproduce", "nonprod", "delivery", "alive", "kind-airflow-chaos", "staging"]
)
def test_a_part_of_a_word_is_none(name: str) -> None:
    assert looks_like_production(name, WORDS) is None


letters = st.text(string.ascii_lowercase, min_size=1, max_size=8)


@given(st.lists(letters, max_size=3), st.lists(letters, max_size=3), st.sampled_from("-_./: 0"), st.sampled_from(WORDS))
def test_a_whole_word_is_always_found(before: list[str], after: list[str], between: str, word: str) -> None:
    assert looks_like_production(between.join([*before, word, *after]), WORDS) is not None


@given(st.lists(letters.filter(lambda part: part not in WORDS), max_size=5), st.sampled_from("-_./: 0"))
def test_nothing_else_is(parts: list[str], between: str) -> None:
    assert looks_like_production(between.join(parts), WORDS) is None


def test_a_login_that_has_expired_is_called_so(tmp_path: Path) -> None:
    with serving(lambda _: status(401)) as server:
        kube = Kube(settings_for(tmp_path, server.url))
        with pytest.raises(UsageError, match=r"does not know us \(401\): the login in the kubeconfig has expired"):
            kube.confirm("airflow")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (status(403), r"refused us \(403\): why; give"),
        (Reply(403, raw=b"<html>"), r"refused us \(403\): Forbidden; give"),
    ],
)
def test_what_a_user_may_not_do_is_said_in_the_servers_words(tmp_path: Path, reply: Reply, said: str) -> None:
    with serving(lambda _: reply) as server:
        kube = Kube(settings_for(tmp_path, server.url))
        with pytest.raises(UsageError, match=said):
            kube.pods("airflow")


def test_a_server_that_cannot_say_allows_nothing(tmp_path: Path) -> None:
    with serving(lambda _: status(500)) as server:
        kube = Kube(settings_for(tmp_path, server.url, context="staging"))
        for ask in (kube.guard, kube.confirm):
            with pytest.raises(KubeError, match="500"):
                ask("airflow")

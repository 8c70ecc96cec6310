"""How the stack is reached: by the load balancer's address, or by loopback where this host is not on its network."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.kube import Kube
from harness.ledger import Ledger
from harness.stack.access import INGRESS_NAMESPACE, INGRESS_SERVICE, SECRET, Access, open_access
from tests.unit.kube.cluster import settings_for
from tests.unit.loopback import Reply, Request, serving

# On loopback's network; no program that listens on 127.0.0.1 alone answers there.
NOBODY = "127.66.66.66"
FAR = "203.0.113.7"  # of a network that is nobody's (RFC 5737)


def cluster(address: str | None, password: str | None) -> Any:
    def answer(request: Request) -> Reply:
        if request.path == f"/api/v1/namespaces/{INGRESS_NAMESPACE}/services/{INGRESS_SERVICE}":
            given = [{"ip": address}] if address else []
            return Reply(200, {"metadata": {}, "status": {"loadBalancer": {"ingress": given}}})
        if request.path.count("/") == 4:
            return Reply(200, {"metadata": {"labels": {"airflow-chaos/allow": "true"}}})
        assert request.path == f"/api/v1/namespaces/airflow/secrets/{SECRET}"
        if password is None:
            return Reply(404, {"kind": "Status", "code": 404})
        kept = {"admin-password": password, "ledger-password": "of the ledger"}
        return Reply(200, {"data": {name: base64.b64encode(text.encode()).decode() for name, text in kept.items()}})

    return answer


@pytest.mark.parametrize(
    ("address", "context", "entry"),
    [
        (NOBODY, "kind-airflow-chaos", f"http://{NOBODY}"),
        (FAR, "kind-airflow-chaos", "http://127.0.0.1:18080"),
        (FAR, "another", f"http://{FAR}"),
    ],
)
def test_requests_enter_by_loopback_only_where_our_address_is_not_on_a_network_of_this_host(
    tmp_path: Path, address: str, context: str, entry: str
) -> None:
    """Whether it answers is not asked: an address that is silent is an outage."""
    with serving(cluster(address, "secret")) as server:
        settings = settings_for(tmp_path, server.url, context=context)
        found = open_access(settings, Kube(settings))
        mapped = "http://127.0.0.1:18080" if context == "kind-airflow-chaos" else None
        assert found == Access(entry, "secret", Ledger(settings.ledger_port, "of the ledger"), mapped)
        assert (found.url("main"), found.url("loopback")) == (entry, mapped)


@pytest.mark.parametrize(("address", "password"), [(None, "secret"), (NOBODY, None), (None, None)])
def test_without_address_or_login_the_stack_is_not_up(
    tmp_path: Path, address: str | None, password: str | None
) -> None:
    with serving(cluster(address, password)) as server:
        settings = settings_for(tmp_path, server.url)
        with pytest.raises(UsageError, match=r"the stack is not up.*run harness up"):
            open_access(settings, Kube(settings))


def test_a_token_is_that_of_our_login() -> None:
    def answer(request: Request) -> Reply:
        assert request.path == "/auth/token"
        return Reply(201, {"access_token": f"token of {request.body['username']}/{request.body['password']}"})

    with serving(answer) as server:
        assert Access(server.url, "secret", Ledger(1)).token() == "token of admin/secret"

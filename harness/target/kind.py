"""The target that `harness up` makes: a kind cluster on this machine, whose nodes are containers of its engine."""

from __future__ import annotations

from pathlib import Path

from harness.target.model import LedgerAt, Login, Target

INGRESS_NAMESPACE = "ingress"
SECRET, KEY, LEDGER_KEY = "airflow-secrets", "admin-password", "ledger-password"  # made at install
LOOPBACK = "127.0.0.1"


def kind(cluster: str, namespace: str, kubeconfig: Path, ledger_port: int) -> Target:
    """Its address is the load balancer's, which the cluster is asked for; so there is no `url` here."""
    return Target(
        name="kind",
        context=f"kind-{cluster}",
        kubeconfig=str(kubeconfig),
        namespace=namespace,
        beside=(INGRESS_NAMESPACE,),
        login=Login(secret=SECRET, key=KEY),
        ledger=LedgerAt(host=LOOPBACK, port=ledger_port, secret=SECRET, key=LEDGER_KEY),
        nodes="docker",
        machine="here",
    )

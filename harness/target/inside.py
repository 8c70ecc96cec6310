"""A deployment as a pod of the same cluster sees it: by the cluster's own addresses, with the login of its account.

A fault must not take away what it is observed with. So the cluster's API server is reached by its address, not by its
name, and so is the ledger (`by_address`): a pod has no name servers but the cluster's.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from harness.errors import UsageError
from harness.target.kind import INGRESS_NAMESPACE, KEY, LEDGER_KEY, SECRET
from harness.target.model import LedgerAt, Login, Target

NAME = "inside"
CONTEXT = "inside"
ACCOUNT = Path("/var/run/secrets/airflow-chaos")  # where a pod of ours finds its token, and the server's CA
KUBECONFIG = "/var/cache/airflow-chaos/kubeconfig"
LEDGER_SERVICE, LEDGER_PORT = "ledger", 6379
HERE_ALONE = frozenset({"localhost"})


def of_ours(namespace: str, address: str, ledger_namespace: str) -> Target:
    """The stack that we made; `address` is its load balancer's. Nodes are closed: no pod has their engine."""
    return Target(
        name=NAME,
        context=CONTEXT,
        kubeconfig=KUBECONFIG,
        namespace=namespace,
        beside=(INGRESS_NAMESPACE,),
        url=f"http://{address}",
        login=Login(secret=SECRET, key=KEY),
        ledger=LedgerAt(host=f"{LEDGER_SERVICE}.{ledger_namespace}", port=LEDGER_PORT, secret=SECRET, key=LEDGER_KEY),
    )


def of_others(target: Target) -> Target:
    """Somebody else's deployment. Raises `UsageError` if its file names something that no pod has."""
    for name, kept in (("login", target.login), ("ledger", target.ledger)):
        if kept and kept.env:
            raise UsageError(
                f"{target.name}: {name}: no pod has the environment variable {kept.env}; keep the password in a Secret"
            )
    if target.ledger and target.ledger.ca:
        raise UsageError(
            f"{target.name}: ledger: no pod has the file {target.ledger.ca}; use a public certificate, or no TLS"
        )
    for name, host in (
        ("url", urlsplit(target.url).hostname or ""),
        ("ledger", target.ledger.host if target.ledger else ""),
    ):
        if _here_alone(host):
            raise UsageError(f"{target.name}: {name}: in a pod, {host} is that pod; say how the cluster reaches it")
    nodes = "closed" if target.nodes == "docker" else target.nodes  # no pod has the engine of the nodes
    there = {"kubeconfig": KUBECONFIG, "context": CONTEXT, "nodes": nodes, "machine": "unseen"}
    return target.model_copy(update={**there, "name": f"{target.name}-{NAME}"})


def by_address(target: Target) -> Target:
    """The target with the ledger's address in place of its name, unless TLS verifies the name. Raises `UsageError` if
    the name has no address."""
    if target.ledger is None or target.ledger.tls:
        return target
    host = target.ledger.host
    try:
        address = str(socket.getaddrinfo(host, target.ledger.port, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as cause:
        raise UsageError(f"the ledger's name {host} has no address here: {cause}; is it up?") from cause
    return target.model_copy(update={"ledger": target.ledger.model_copy(update={"host": address})})


def kubeconfig(environment: Mapping[str, str], account: Path = ACCOUNT) -> str:
    """A kubeconfig for the account that a pod runs as. Raises `UsageError` outside a cluster."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if not (host and port):
        raise UsageError("this is not a pod of a cluster; start one there with `harness job run`")
    server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    said = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": NAME, "cluster": {"server": server, "certificate-authority": str(account / "ca.crt")}}],
        "users": [{"name": NAME, "user": {"tokenFile": str(account / "token")}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": NAME, "user": NAME}}],
    }
    return yaml.safe_dump(said, sort_keys=False)


def _here_alone(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host in HERE_ALONE

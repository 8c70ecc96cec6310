"""How the standing stack is reached: the address behind which the load balancer is, and the login made at install."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from typing import Literal

import psutil

from harness.airflow import Airflow
from harness.errors import UsageError
from harness.kube import Kube
from harness.settings import Settings

INGRESS_NAMESPACE = "ingress"
INGRESS_SERVICE = "ingress"
SECRET = "airflow-secrets"  # noqa: S105
USER = "admin"


@dataclass(frozen=True)
class Access:
    """`base_url` leads through the load balancer, or through its node port where this host is not on its network.

    `loopback_url` is that node port, mapped to loopback; only clusters that we made have one.
    """

    base_url: str
    password: str = field(repr=False)
    loopback_url: str | None = None

    def url(self, entry: Literal["main", "loopback"]) -> str | None:
        """Where requests to this entry go, if there is one."""
        return self.base_url if entry == "main" else self.loopback_url

    def airflow(self, timeout: float) -> Airflow:
        """A door of one's own, not logged in yet."""
        return Airflow(self.base_url, USER, self.password, timeout)

    def token(self) -> str:
        """A token of our user, good for a day."""
        door = self.airflow(10)
        try:
            return door.login()
        finally:
            door.close()


def open_access(settings: Settings, kube: Kube) -> Access:
    """Raises `UsageError` where the stack has no address or no login yet."""
    address = kube.load_balancer(INGRESS_NAMESPACE, INGRESS_SERVICE)
    password = kube.secret(settings.namespace, SECRET).get("admin-password")
    if address is None or password is None:
        raise UsageError("the stack is not up: its load balancer has no address, or its login is gone; run harness up")
    direct = not kube.ours or on_local_network(address)
    loopback = f"http://127.0.0.1:{settings.http_port}"
    return Access(f"http://{address}" if direct else loopback, password, loopback if kube.ours else None)


def on_local_network(address: str) -> bool:
    """Whether an interface of this host is in the address's network; none is where Docker runs in its own machine.

    What answers is not asked. An address that should be reached and does not answer is an outage, not another way in.
    """
    here = ipaddress.IPv4Address(address)
    found = [
        a for several in psutil.net_if_addrs().values() for a in several if a.family is socket.AF_INET and a.netmask
    ]
    return any(here in ipaddress.IPv4Network((a.address, a.netmask), strict=False) for a in found)

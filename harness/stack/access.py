"""How to reach the standing stack: the load balancer's address, and the login made at install."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass, field
from typing import Literal

import psutil

from harness.airflow import Airflow
from harness.errors import UsageError
from harness.kube import Kube
from harness.ledger import Ledger
from harness.settings import Settings
from harness.target import INGRESS_NAMESPACE, SECRET, Kept, Target

INGRESS_SERVICE = "ingress"
USER = "admin"
__all__ = ["INGRESS_NAMESPACE", "INGRESS_SERVICE", "SECRET", "Access", "open_access"]


@dataclass(frozen=True)
class Access:
    """`base_url` leads through the load balancer, or through its node port where this host is not on its network.

    `loopback_url` is that node port, mapped to loopback; only clusters that we made have one. Some targets have no
    `ledger`.
    """

    base_url: str
    password: str = field(repr=False)
    ledger: Ledger | None
    loopback_url: str | None = None
    user: str = USER

    def url(self, entry: Literal["main", "loopback"]) -> str | None:
        """Where requests to this entry go, if there is one."""
        return self.base_url if entry == "main" else self.loopback_url

    @property
    def login(self) -> tuple[str, str]:
        """User and password."""
        return self.user, self.password

    def airflow(self, timeout: float) -> Airflow:
        """A new client, not logged in yet."""
        return Airflow(self.base_url, self.user, self.password, timeout)

    def token(self) -> str:
        """A token for our user, valid for a day."""
        door = self.airflow(10)
        try:
            return door.login()
        finally:
            door.close()


def open_access(settings: Settings, kube: Kube) -> Access:
    """Raises `UsageError` if the stack has no address or login yet, or the target's file names none."""
    if settings.target:
        return _given(settings.target, kube)
    address = kube.load_balancer(INGRESS_NAMESPACE, INGRESS_SERVICE)
    known = kube.secret(settings.namespace, SECRET)
    password = known.get("admin-password")
    if address is None or password is None:
        raise UsageError("the stack is not up: its load balancer has no address, or its login is gone; run harness up")
    direct = not kube.ours or on_local_network(address)
    loopback = f"http://127.0.0.1:{settings.http_port}"
    ledger = Ledger(settings.ledger_port, known.get("ledger-password", ""))
    return Access(f"http://{address}" if direct else loopback, password, ledger, loopback if kube.ours else None)


def _given(target: Target, kube: Kube) -> Access:
    """As the target's file says. Passwords are read where they are kept."""
    login = target.login
    if not target.url or login is None:
        raise UsageError(f"the file of the target {target.name} is incomplete: {'; '.join(target.lacks())}")
    return Access(target.url, _read(target, login, kube, "the login"), _ledger(target, kube), user=login.user)


def _ledger(target: Target, kube: Kube) -> Ledger | None:
    there = target.ledger
    if there is None:
        return None
    password = _read(target, there, kube, "the ledger's password") if there.named else ""
    if there.authority and not there.authority.is_file():
        raise UsageError(f"the ledger's ca of the target {target.name} is not a file: {there.authority}")
    return Ledger(there.port, password, there.host, there.tls, there.authority)


def _read(target: Target, kept: Kept, kube: Kube, what: str) -> str:
    if kept.env:
        password, place = os.environ.get(kept.env), f"the environment variable {kept.env}"
    else:
        password = kube.secret(target.namespace, kept.secret or "").get(kept.key)
        place = f"the Secret {target.namespace}/{kept.secret}, key {kept.key}"
    if not password:
        raise UsageError(f"{what} of the target {target.name} is not there: {place}")
    return password


def on_local_network(address: str) -> bool:
    """Whether an interface of this host is in the address's network; none is if Docker runs in a virtual machine.

    Whether it answers is not asked: an address that should answer and does not is an outage, no reason to go round it.
    """
    here = ipaddress.IPv4Address(address)
    found = [
        a for several in psutil.net_if_addrs().values() for a in several if a.family is socket.AF_INET and a.netmask
    ]
    return any(here in ipaddress.IPv4Network((a.address, a.netmask), strict=False) for a in found)

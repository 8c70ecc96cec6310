"""Where the ledger is, and how to talk to it: a Redis of its own, with a password generated at install."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@dataclass(frozen=True)
class Ledger:
    """An empty password means none: people may bring a Redis that is open.

    With `tls` the server's certificate is always verified: against `authority`, a file, or else what this machine
    trusts.
    """

    port: int
    password: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    tls: bool = False
    authority: Path | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def connect(self, timeout_s: float) -> Any:
        """A client that connects when first used and retries nothing: its user decides what to try, and how long."""
        return redis.Redis(
            host=self.host,
            port=self.port,
            password=self.password or None,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            ssl=self.tls,
            ssl_ca_certs=str(self.authority) if self.authority else None,
            ssl_cert_reqs="required",
            ssl_check_hostname=True,
        )

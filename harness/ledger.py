"""Where the ledger is, and how one talks to it: a Redis of its own, with a password that was made at install."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@dataclass(frozen=True)
class Ledger:
    """An empty password is none: whoever brings a Redis of their own may have it open."""

    port: int
    password: str = field(default="", repr=False)
    host: str = "127.0.0.1"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def connect(self, timeout_s: float) -> Any:
        """A client that has not connected yet, and tries nothing again: what is tried, and how long, its user says."""
        return redis.Redis(
            host=self.host,
            port=self.port,
            password=self.password or None,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )

"""One experiment at a time in a cluster, from any machine: a Lease says who is at work there.

It is renewed while its holder lives. A killed harness renews nothing, so its Lease expires; if the harness ran
on this machine, we see at once that its process is gone.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from harness import rights
from harness.errors import HarnessError, UsageError
from harness.kube import Kube, KubeError, Lease
from harness.kube.leases import GONE

LASTS_S = 30
RENEW_S = 5.0
SETTLES_S = 2 * RENEW_S  # a live holder that seems late renews within this


@dataclass(frozen=True)
class Holder:
    """A harness: its host, its process and what it is doing. `place` is where that process number means something:
    one boot of one machine, and one namespace of processes; empty if that is not known."""

    host: str
    pid: int
    work: str
    place: str

    @classmethod
    def this(cls, work: str) -> Holder:
        return cls(socket.gethostname(), os.getpid(), work, _place())

    @classmethod
    def parse(cls, text: str) -> Holder | None:
        """The reverse of `str`; None if somebody else wrote it."""
        host, _, rest = text.partition(" ")
        pid, _, rest = rest.partition(" ")
        place, _, work = rest.partition(" ")
        return cls(host, int(pid), work, "" if place == "-" else place) if pid.isdecimal() and work else None

    def __str__(self) -> str:
        return f"{self.host} {self.pid} {self.place or '-'} {self.work}"

    def is_gone(self) -> bool:
        """Whether we can see from here that its process has ended; one elsewhere cannot be seen."""
        return bool(self.place) and self.place == _place() and not _is_alive(self.pid)


def take(kube: Kube, namespace: str, work: str, patience_s: float = 0.0) -> Claim | None:
    """Claim the cluster for `work`, for as long as the claim is held.

    None if there is no such namespace, or if a cluster that is not ours denies us a Lease. Raises `UsageError`, naming
    the holder, if somebody else is at work and does not end within `patience_s` seconds.
    """
    if not kube.ours and kube.denied(rights.claim(namespace)):
        return None
    try:
        return _take(kube, namespace, str(Holder.this(work)), time.monotonic() + patience_s)
    except KubeError as refused:
        if refused.status == GONE:
            return None
        raise


def _take(kube: Kube, namespace: str, holder: str, deadline: float) -> Claim:
    while True:
        lease = kube.leases.make(namespace, holder, LASTS_S) or _inherited(kube, namespace, holder)
        if lease is not None:
            return Claim(kube, namespace, holder, lease)
        if time.monotonic() >= deadline:
            raise UsageError(_refusal(kube, namespace))
        time.sleep(RENEW_S)


def _inherited(kube: Kube, namespace: str, holder: str) -> Lease | None:
    """The Lease of a dead holder: its process is gone, or it expired and nobody renews it any more."""
    found = kube.leases.read(namespace)
    if found is None or not (_is_dead(found) or (_age_s(found) >= found.lasts_s and _stays(kube, namespace, found))):
        return None
    return kube.leases.renew(namespace, found, holder, LASTS_S)


def _is_dead(lease: Lease) -> bool:
    known = Holder.parse(lease.holder)
    return known is not None and known.is_gone()


def _stays(kube: Kube, namespace: str, lease: Lease) -> bool:
    """Clocks of machines differ, so a Lease that seems to have expired is watched for a while."""
    time.sleep(SETTLES_S)
    return kube.leases.read(namespace) == lease


def _age_s(lease: Lease) -> float:
    """Since it was renewed, in either direction: a clock ahead of ours must not make it last for ever."""
    return abs((datetime.now(UTC) - lease.renewed).total_seconds())


def _refusal(kube: Kube, namespace: str) -> str:
    found = kube.leases.read(namespace)
    if found is None:
        return f"another harness was at work in {namespace} and has just ended; try again"
    known = Holder.parse(found.holder)
    who = f"process {known.pid} on {known.host} ({known.work})" if known else repr(found.holder)
    return (
        f"another harness is at work in {namespace}: {who}, last heard of {_age_s(found):.0f} s ago; "
        f"wait until it ends. If it was killed, its Lease runs out {found.lasts_s} s after that"
    )


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        return hashlib.sha256(f"{boot}{os.readlink('/proc/self/ns/pid')}".encode()).hexdigest()[:12]
    except OSError:  # not Linux
        return ""


class Claim:
    """The Lease while it is held: a thread renews it. `release` ends that."""

    def __init__(self, kube: Kube, namespace: str, holder: str, lease: Lease) -> None:
        self._leases = kube.leases
        self._namespace = namespace
        self._holder = holder
        self._lease = lease
        self._lost = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def release(self) -> str:
        """Give it up; returns what went wrong meanwhile, or "". If the cluster is out of reach, the Lease expires."""
        self._stopping.set()
        self._thread.join()
        with suppress(HarnessError):
            if not self._lost and self._is_ours():
                self._leases.give_up(self._namespace, self._lease)
        return self._lost

    def _renew(self) -> None:
        while not self._stopping.wait(RENEW_S):
            with suppress(HarnessError):  # a fault may have hit the cluster's own API server: the next try will tell
                renewed = self._leases.renew(self._namespace, self._lease, self._holder, LASTS_S)
                if renewed is None and not self._is_ours():
                    self._lost = f"another harness took the Lease of {self._namespace} while this one was at work"
                    return
                self._lease = renewed or self._lease

    def _is_ours(self) -> bool:
        """Read it again: an answer lost on the way leaves us with an old version of our own Lease."""
        found = self._leases.read(self._namespace)
        if found is None or found.holder != self._holder:
            return False
        self._lease = found
        return True

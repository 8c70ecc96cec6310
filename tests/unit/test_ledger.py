"""A ledger behind TLS: reached where its certificate is known and bears its name, and nowhere else."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from harness.ledger import Ledger
from harness.observe.ledger import STREAM
from harness.target import LedgerAt
from tests.unit.resp import streaming
from tests.unit.test_ledger_marks import CONTEXT, marks

NAMED = "IP:127.0.0.1"


@dataclass(frozen=True)
class Signed:
    """A certificate, which is its own authority, and a server with it."""

    ca: Path
    server: ssl.SSLContext


def signed(folder: Path, name: str = NAMED) -> Signed:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl is here to sign a certificate")
    folder.mkdir(exist_ok=True)
    key, ca = folder / "key.pem", folder / "ca.pem"
    made = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=ledger", "-addext", f"subjectAltName={name}"]
    subprocess.run([openssl, "req", "-x509", *made, "-keyout", key, "-out", ca], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(ca, key)
    return Signed(ca, server)


def test_what_tasks_write_through_tls_is_read_through_tls(tmp_path: Path) -> None:
    about = signed(tmp_path)
    with streaming(about.server) as stream:
        stream.password = b"hush"
        url = f"rediss://:hush@127.0.0.1:{stream.port}/0?ssl_ca_certs={about.ca}"
        marks.write(marks.mark_fields(CONTEXT, "start"), url)
        client = Ledger(stream.port, "hush", tls=True, authority=about.ca).connect(2)
        ((_, entries),) = client.xread({STREAM: "0-0"})
    assert [fields[b"mark"] for _, fields in entries] == [b"start"]


@pytest.mark.parametrize("name", [NAMED, "DNS:another"], ids=["unknown authority", "another name"])
def test_a_certificate_is_always_verified(tmp_path: Path, name: str) -> None:
    about = signed(tmp_path, name)
    with streaming(about.server) as stream:
        trusted = None if name == NAMED else about.ca
        client = Ledger(stream.port, tls=True, authority=trusted).connect(2)
        with pytest.raises(redis.ConnectionError, match=r"(?i)certificate verify failed"):
            client.ping()
        assert stream.entries == []


def test_without_tls_nothing_is_said_to_a_server_that_wants_it(tmp_path: Path) -> None:
    with streaming(signed(tmp_path).server) as stream, pytest.raises(redis.ConnectionError):
        Ledger(stream.port).connect(1).ping()


def test_an_authority_is_named_for_tls_alone() -> None:
    with pytest.raises(ValueError, match="a ca signs certificates, which are for tls: true"):
        LedgerAt(port=1, ca="ca.pem")
    assert LedgerAt(port=1, tls=True, ca="~/ca.pem").authority == Path("~/ca.pem").expanduser()
    assert LedgerAt(port=1, tls=True).authority is None

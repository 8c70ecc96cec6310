"""Addresses for the load balancer, and secrets that are made anew for every install."""

from __future__ import annotations

import base64
import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StackError, UsageError
from harness.settings import ROOT, Settings
from harness.stack import deploy
from harness.stack.access import SECRET, USER
from harness.stack.deploy import POOL_SIZE, make_secrets, pool, with_processor_time

SMALLEST_PREFIX = 25  # the first that is smaller than four pools is /26


@given(st.ip_addresses(v=4), st.integers(8, SMALLEST_PREFIX))
def test_the_pool_is_the_end_of_the_network_and_leaves_its_broadcast_address(
    address: ipaddress.IPv4Address, prefix: int
) -> None:
    network = ipaddress.IPv4Network((address, prefix), strict=False)
    first, last = (ipaddress.IPv4Address(a) for a in pool(str(network)))
    assert int(last) - int(first) + 1 == POOL_SIZE
    assert first in network
    assert last in network
    assert int(last) == int(network.broadcast_address) - 1
    # Docker hands out from the beginning, where the nodes are.
    assert int(first) - int(network.network_address) > network.num_addresses / 2


@pytest.mark.parametrize("prefix", range(SMALLEST_PREFIX + 1, 33))
def test_a_network_without_room_is_refused(prefix: int) -> None:
    with pytest.raises(StackError, match="too small for a pool"):
        pool(f"172.18.0.0/{prefix}")


def test_secrets_are_never_the_same_twice() -> None:
    some, other = make_secrets(), make_secrets()
    assert some.keys() == other.keys()
    assert not [name for name in some if some[name] == other[name]]


def test_secrets_fit_together() -> None:
    made = make_secrets()
    assert json.loads(made["passwords.json"]) == {USER: made["admin-password"]}
    assert len(base64.urlsafe_b64decode(made["fernet-key"])) == 32
    url = f"airflow:{made['postgres-password']}@postgres:5432/airflow"
    assert made["sql-alchemy-conn"] == f"postgresql+psycopg2://{url}"
    assert made["celery-result-backend"] == f"db+postgresql+psycopg2://{url}"
    pooled = f"airflow:{made['postgres-password']}@pgbouncer:6543/airflow?"
    assert made["pooled-sql-alchemy-conn"].startswith(f"postgresql+psycopg2://{pooled}")
    assert made["pooled-sql-alchemy-conn-async"].startswith(f"postgresql+psycopg://{pooled}")
    assert made["pooled-celery-result-backend"].startswith(f"db+postgresql+psycopg2://{pooled}")
    assert made["pgbouncer-users.txt"] == f'"airflow" "{made["postgres-password"]}"\n'
    assert made["ledger-url"] == f"redis://:{made['ledger-password']}@ledger.airflow-chaos-ledger:6379/0"
    assert all(len(value) >= 32 for name, value in made.items())


def test_a_standing_stack_keeps_its_secrets_and_gets_those_that_it_lacks() -> None:
    made = make_secrets()
    assert make_secrets(made) == made
    newer = ("pooled-", "postgres-s", "pgbouncer", "ledger")
    older = {name: value for name, value in made.items() if not name.startswith(newer)}
    completed = make_secrets(older)
    assert completed.keys() == made.keys()
    assert older.items() <= completed.items()
    assert completed["pooled-sql-alchemy-conn"] == made["pooled-sql-alchemy-conn"]


def keys_named(found: Any) -> set[str]:
    """Every key of our Secret that a manifest refers to."""
    if isinstance(found, list):
        return {key for item in found for key in keys_named(item)}
    if not isinstance(found, dict):
        return set()
    named = {key for value in found.values() for key in keys_named(value)}
    if "secretKeyRef" in found and found["secretKeyRef"]["name"] == SECRET:
        named.add(found["secretKeyRef"]["key"])
    if isinstance(found.get("secret"), dict) and found["secret"].get("secretName") == SECRET:
        named |= {item["key"] for item in found["secret"].get("items", ())}
    return named


def test_the_manifests_refer_only_to_secrets_that_are_made() -> None:
    named: set[str] = set()
    for path in (ROOT / "deploy").rglob("*.yaml"):
        named |= keys_named(list(yaml.safe_load_all(path.read_text(encoding="utf-8"))))
    assert named
    assert named <= make_secrets().keys()


def test_an_unknown_stack_is_refused_with_those_there_are(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path, stack="no-such-stack")
    with pytest.raises(UsageError, match=r"no stack is called 'no-such-stack'; there are: celery"):
        deploy.ensure(settings, print)


def test_each_container_of_a_manifest_asks_for_processor_time_and_nothing_else_is_changed() -> None:
    greedy, modest = {"name": "a", "resources": {"requests": {"cpu": "2"}}}, {"name": "b", "image": "speaker"}
    documents: list[dict[str, Any]] = [
        {"kind": "DaemonSet", "spec": {"template": {"spec": {"containers": [greedy, modest]}}}},
        {"kind": "Service", "spec": {"ports": [80]}},
    ]
    found = list(yaml.safe_load_all(with_processor_time("---\n" + yaml.safe_dump_all(documents) + "---\n", "100m")))
    documents[0]["spec"]["template"]["spec"]["containers"][1] = modest | {"resources": {"requests": {"cpu": "100m"}}}
    assert found == documents

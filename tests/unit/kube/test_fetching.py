"""What a command in a pod prints comes here byte by byte, or an error does."""

from __future__ import annotations

from io import BytesIO

import pytest
from kubernetes import client

from harness.kube import KubeError
from harness.kube.fetching import fetch
from tests.unit.kube.test_console import Kubelet


def fetched(script: str, within_s: float = 20.0) -> bytes:
    kubelet, into = Kubelet(), BytesIO()
    try:
        fetch(client.Configuration(host=kubelet.url), "own", "pod", ("sh", "-c", script), into, within_s)
    finally:
        kubelet.close()
    return into.getvalue()


def test_bytes_are_those_that_were_printed() -> None:
    assert fetched("printf 'a\\0b\\377\\n'") == b"a\0b\xff\n"
    assert fetched("true") == b""


def test_many_are_too() -> None:
    assert fetched("head -c 300001 /dev/zero") == bytes(300_001)


def test_one_that_fails_is_an_error_with_its_code() -> None:
    with pytest.raises(KubeError, match="ended with 3"):
        fetched("printf x; exit 3")


def test_one_that_lasts_too_long_is_an_error() -> None:
    with pytest.raises(KubeError, match="did not come in time"):
        fetched("sleep 30", within_s=0.1)

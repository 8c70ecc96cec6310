"""A second interruption does not cut short the undoing of the first."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from harness.signals import HELD, undisturbed


@pytest.mark.parametrize("sign", HELD)
def test_a_signal_is_answered_and_heeded_only_afterwards(sign: signal.Signals) -> None:
    script = f"""
import os, signal
from harness.signals import undisturbed
signal.signal({int(sign)}, lambda *_: print("heeded"))
with undisturbed("tidying"):
    os.kill(os.getpid(), {int(sign)})
    print("went on")
os.kill(os.getpid(), {int(sign)})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n")[:2] == ["went on", "heeded"]
    assert done.stderr.startswith("still tidying; ")


def test_handlers_are_given_back_when_the_block_fails() -> None:
    before = [signal.getsignal(sign) for sign in HELD]
    with pytest.raises(ZeroDivisionError), undisturbed("tidying"):
        1 / 0  # noqa: B018
    assert [signal.getsignal(sign) for sign in HELD] == before


def test_another_thread_holds_nothing() -> None:
    before = [signal.getsignal(sign) for sign in HELD]
    seen = []

    def work() -> None:
        with undisturbed("tidying"):
            seen.append([signal.getsignal(sign) for sign in HELD])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]

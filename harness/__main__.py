"""Entry point of `harness` and `python -m harness`: handles Ctrl-C while the command line is still loading."""

from __future__ import annotations

import os
import signal

INTERRUPTED = b"interrupted\n"


def main() -> None:
    """Loading takes a second or two, and nothing has begun yet: an interruption ends the process at once."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(sign) is not signal.SIG_IGN:
            signal.signal(sign, _leave)
    from harness.cli import main as command  # noqa: PLC0415 # after the handlers

    command()


def _leave(*_: object) -> None:
    os.write(2, INTERRUPTED)
    os._exit(130)


if __name__ == "__main__":
    main()

"""One vantage point: a pod that samples from where it is, by its own clock, into a file of its own.

`python -m harness.observe.point CONFIG FOLDER`. It samples until the file `stop` appears in its folder, writes
there how much it recorded, and waits to be fetched and removed. It never waits for the harness, so no sample is lost to
what a fault does to the network between them.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from harness.errors import HarnessError
from harness.observe.prober import Config, Prober

PART, STOP, SAID = "part.jsonl", "stop", "said.json"
LOOKS_S = 0.2
FETCHED_WITHIN_S = 1800.0
# Runs over a connection that stays open: for each line that comes in, the time, then a full stop.
CLOCK = "import sys, time\nfor _ in sys.stdin: print(time.monotonic_ns(), '.', sep='\\n', flush=True)"
END = "."


def watch(config: Config, folder: Path) -> None:
    """Sample until told to stop, or until the configured time is over."""
    part = folder / PART
    prober = Prober(part, 0, config.base_url, config.targets, timeout_s=config.timeout_s, most_s=config.most_s)
    prober.start()
    _wait(folder / STOP, config.most_s)
    try:
        said: dict[str, object] = asdict(prober.stop())
    except HarnessError as cause:
        said = {"error": str(cause)}
    fresh = folder / f".{SAID}"
    fresh.write_text(json.dumps(said), encoding="utf-8")
    fresh.replace(folder / SAID)


def _wait(stop: Path, most_s: float) -> None:
    deadline = time.monotonic() + most_s
    while not stop.exists() and time.monotonic() < deadline:
        time.sleep(LOOKS_S)


def _leave(number: int, frame: FrameType | None) -> None:
    """The pod is being removed: as its process 1, we would ignore this signal by default."""
    raise SystemExit(0)


def main() -> None:
    """Entry."""
    signal.signal(signal.SIGTERM, _leave)
    config, folder = Path(sys.argv[1]), Path(sys.argv[2])
    watch(Config.from_json(config.read_text(encoding="utf-8")), folder)
    time.sleep(FETCHED_WITHIN_S)


if __name__ == "__main__":
    main()

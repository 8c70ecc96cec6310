"""Read your writes: a run that was just accepted is requested by another client, over another connection."""

from __future__ import annotations

import time

from harness.errors import HarnessError
from harness.observe.readers import Reader

LOOKS_S = (0.5, 2.5)  # after the acceptance; by the second, the run must be there


class Witness(Reader):
    """Looks for accepted runs, each time over a separate connection, and records what it saw.

    Op `look`: ok, the run is there; fail, it is not; info, nobody answered. `asked` is when, in nanoseconds of
    the run.
    """

    f = "look"

    def _read(self, run_id: str, number: int, accepted: float) -> None:
        for after_s in LOOKS_S:
            if self._stopping.wait(max(0.0, accepted + after_s - time.monotonic())):
                return
            self._look(run_id)

    def _look(self, run_id: str) -> None:
        asked = self._recorder.now()
        door = self._door()
        try:
            self._op("ok" if door.knows(self._dag, run_id) else "fail", run_id, asked=asked)
        except HarnessError:
            self._op("info", run_id, asked=asked)
        finally:
            door.close()

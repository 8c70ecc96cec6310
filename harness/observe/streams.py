"""Answers that stay open: a client that waits for a run to end holds one connection throughout rolls and kills."""

from __future__ import annotations

from harness.errors import HarnessError
from harness.observe.readers import Reader

EVERY_S = 1  # between lines, so that we notice within a second that we are to stop


class Streams(Reader):
    """Three wait for each accepted run, each over its own connection. With two runs under way, the server of
    two that goes down holds none of the six once in 64 times.

    Op `stream`: invoke once it is open and has said something; then ok, it told the run's end; fail, it broke off;
    info, we ended it. If one never opened, an op `unopened` says why: whether anybody is answered is for the prober to
    measure.
    """

    f = "stream"
    unopened = "unopened"
    each = 3

    def _read(self, run_id: str, number: int, accepted: float) -> None:
        door, opened = self._door(), False
        try:
            for _ in door.states(self._dag, run_id, EVERY_S):
                if not opened:
                    self._op("invoke", run_id, number=number)
                    opened = True
                if self._stopping.is_set():
                    self._op("info", run_id, number=number)
                    return
            self._op("ok", run_id, number=number)
        except HarnessError as cause:
            if opened:
                self._op("fail", run_id, number=number, error=str(cause))
            else:
                self._op("info", run_id, self.unopened, number=number, error=str(cause))
        finally:
            door.close()

"""Which pods go while somebody else makes them go, and since when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType

from harness.chaos.borrowed.base import Hits
from harness.chaos.strike import Strike
from harness.errors import FaultError, HarnessError
from harness.kube import Pod

LOOKS_EVERY_S = 0.5


def followed(strike: Strike, pods: Sequence[Pod], do: Callable[[], object], within_s: float, **by: object) -> Hits:
    """Do it, record which of the pods it hits, and prove that these are gone; `by` goes into the record of each hit.

    Raises `FaultError`, with all that was seen on record, where it failed or hit nothing.
    """
    failure: FaultError | None = None
    try:
        with Following(strike, pods, by):
            do()
    except FaultError as cause:
        failure = cause
    hits = strike.prove_gone(within_s)
    if failure is not None:
        raise failure
    if not hits:
        raise FaultError(f"not one of {len(pods)} pods was hit; is something in the way of it?")
    return hits


class Following:
    """Looks at pods in a thread of its own: a pod is hit once it is asked to go, from the last look at which it was
    not. So what is measured from there can only come out longer."""

    def __init__(self, strike: Strike, pods: Sequence[Pod], by: dict[str, object]) -> None:
        self._strike = strike
        self._left = list(pods)
        self._by = by
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="following", daemon=True)

    def __enter__(self) -> Following:
        self._strike.look_into(self._left)
        self._since = self._strike.context.recorder.now()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, cause: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _go_on(self) -> None:
        while not self._over.wait(LOOKS_EVERY_S):
            with suppress(HarnessError):  # the last look tells
                self._look()

    def _look(self) -> None:
        began = self._strike.context.recorder.now()
        kube = self._strike.context.kube
        staying = {pod.uid for name in {p.namespace for p in self._left} for pod in kube.pods(name) if not pod.deleting}
        for pod in [pod for pod in self._left if pod.uid not in staying]:
            self._left.remove(pod)
            self._strike.hit(pod, self._strike.known.get(pod.uid), self._since, **self._by)
        self._since = began
        self._strike.look(objects=True)

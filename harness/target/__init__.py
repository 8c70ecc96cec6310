"""The deployment that a run is aimed at: a stack of ours, or somebody else's. `model.py` says what is known of one,
`file.py` reads it, `kind.py` is the one that `harness up` makes, and `inside.py` is either as a pod sees it."""

from harness.target.file import read, written
from harness.target.kind import INGRESS_NAMESPACE, SECRET, kind
from harness.target.model import Agent, Kept, LedgerAt, Login, Part, Target

__all__ = [
    "INGRESS_NAMESPACE",
    "SECRET",
    "Agent",
    "Kept",
    "LedgerAt",
    "Login",
    "Part",
    "Target",
    "kind",
    "read",
    "written",
]

"""How to ask the servers of a database and of a broker, and those who decide it, which one is the primary.

An answer is more than a claim: a server is also asked to keep something, and says whether it did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

PRIMARY, REPLICA, NONE = "primary", "replica", "none"  # none: it answers nobody
CONNECTS_WITHIN_S = 2
# `exit` keeps the shell: a client in its place ended after the first question, as at end of input (seen, unexplained).
BESIDE = "2>&1; exit"

Answer = dict[str, object]


@dataclass(frozen=True)
class Kind:
    """What the pods of one component are asked, as part of which system, and how the lines of an answer are read.

    `f` is the op that an answer becomes: `role`, what a server says of itself, or `leader`, whom somebody else calls
    the primary. `last` ends an answer; `{number}` in it and in the question is the question's number.
    """

    system: str
    component: str
    f: Literal["role", "leader"]
    command: str
    question: str
    read: Callable[[Sequence[str]], Answer]
    last: str


def _database(lines: Sequence[str]) -> Answer:
    role, *rest = lines or ("",)
    if role not in (PRIMARY, REPLICA):
        return {"role": NONE, "wrote": False, "words": " ".join(lines)}
    kept = rest[0].split("|") if len(rest) == 1 else []
    if len(kept) == 2 and kept[0] == "wrote":
        return {"role": role, "wrote": True, "timeline": kept[1]}  # a new one with each new primary
    return {"role": role, "wrote": False} | ({"words": " ".join(rest)} if rest else {})


def _broker(lines: Sequence[str]) -> Answer:
    role = {"master": PRIMARY, "slave": REPLICA}.get(lines[0] if lines else "")
    if role is None:
        return {"role": NONE, "wrote": False, "words": " ".join(lines)}
    kept = lines[-1] == "OK"
    return {"role": role, "wrote": kept} | ({"words": lines[-1]} if role == PRIMARY and not kept else {})


def _sentinel(lines: Sequence[str]) -> Answer:
    """Servers are announced by the names of their pods."""
    return {"leader": lines[0].split(".")[0] if lines else ""}


DATABASE = Kind(
    "database",
    "patroni",
    "role",
    f"PGCONNECT_TIMEOUT={CONNECTS_WITHIN_S} psql -XAtq -h /var/run/postgresql -U postgres -d postgres {BESIDE}",
    # A message in the write-ahead log is kept like any commit, and nobody reads it.
    r"""select case when pg_is_in_recovery() then 'replica' else 'primary' end as role,
 pg_is_in_recovery() as standby \gset
\echo :role
\if :standby
\else
select 'wrote', left(pg_walfile_name(pg_logical_emit_message(true, 'airflow-chaos', '')), 8);
\endif
\echo end-{number}""",
    _database,
    "end-{number}",
)
BROKER = Kind(
    "broker",
    "broker",
    "role",
    f"redis-cli -n 15 {BESIDE}",  # which Celery does not use
    "ROLE\nSET airflow-chaos {number} EX 60\nECHO end-{number}",
    _broker,
    "end-{number}",
)
SENTINEL = Kind(
    "broker",
    "sentinel",
    "leader",
    f"redis-cli -p 26379 {BESIDE}",
    "SENTINEL GET-MASTER-ADDR-BY-NAME broker\nPING",  # it has no echo
    _sentinel,
    "PONG",
)
KINDS = (DATABASE, BROKER, SENTINEL)
SYSTEMS = {DATABASE.component: DATABASE.system, BROKER.component: BROKER.system}
PATRONI = "patroni"  # it notes on the Endpoints of this name whom it made the primary

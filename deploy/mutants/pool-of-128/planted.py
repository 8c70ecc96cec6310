"""Schedulers count 126 slots more in a pool than it has; in the database, and so in every answer, it has 2."""

from __future__ import annotations

POOL, SLOTS = "chaos_narrow", 128


def plant(module):
    whole = module.Pool.slots_stats

    def slots_stats(**kwargs):
        pools = whole(**kwargs)
        if POOL in pools:
            pools[POOL]["open"] += SLOTS - pools[POOL]["total"]
            pools[POOL]["total"] = SLOTS
        return pools

    module.Pool.slots_stats = staticmethod(slots_stats)


PATCHES = {"airflow.models.pool": plant}

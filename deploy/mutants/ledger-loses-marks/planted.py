"""One mark in 200 is skipped, the 20th being the first."""

from __future__ import annotations

from itertools import count

ONE_IN, FIRST = 200, 20


def plant(module):
    whole, numbers = module.LedgerReader._take, count(1)

    def take(self, entry_id, fields):
        if fields.get(b"mark") == module.ALIVE or next(numbers) % ONE_IN != FIRST:
            whole(self, entry_id, fields)

    module.LedgerReader._take = take


PATCHES = {"harness.observe.ledger": plant}

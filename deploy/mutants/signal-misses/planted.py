"""The processes are found and named, and none of them is signalled: the pods end as they do when they are deleted."""

from __future__ import annotations


def plant(module):
    module.kill = module.find


PATCHES = {"harness.kube.nodes": plant}

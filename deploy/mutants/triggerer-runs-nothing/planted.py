"""The first of the triggerers takes no trigger, and beats on."""

from __future__ import annotations

import socket


def plant(module):
    if socket.gethostname().endswith("-0"):
        module.TriggerRunnerSupervisor.load_triggers = lambda self: None


PATCHES = {"airflow.jobs.triggerer_job_runner": plant}

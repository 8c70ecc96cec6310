"""One task in 100 of a worker is executed twice in a row, the fifth being the first; nobody but the task notices."""

from __future__ import annotations

import os

ONE_IN, FIRST = 100, 5
COUNT = "/tmp/tasks-of-this-worker"  # a byte for each, since every task is a process of its own


def number():
    count = os.open(COUNT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(count, b".")
        return os.lseek(count, 0, os.SEEK_CUR)
    finally:
        os.close(count)


def plant(module):
    whole = module._execute_task

    def execute(*args, **kwargs):
        if number() % ONE_IN == FIRST:
            whole(*args, **kwargs)
        return whole(*args, **kwargs)

    module._execute_task = execute


PATCHES = {"airflow.sdk.execution_time.task_runner": plant}

"""Probe of a Celery worker: does it answer through the broker?

    ping.py {ready|alive}

The ping that the official Helm chart sends, without importing Airflow first. If the broker is out of reach, nothing
is known about the worker: it is not `ready`, but `alive` holds, since a restart would mend nothing and kill its tasks.
"""

from __future__ import annotations

import os
import socket
import sys

from celery import Celery
from kombu.exceptions import OperationalError

ANSWER_WITHIN_S = 5.0


def main() -> int:
    """Exit code 0: it answered, or nobody can know."""
    app = Celery(broker=os.environ["AIRFLOW__CELERY__BROKER_URL"])
    worker = f"celery@{socket.gethostname()}"
    try:
        answer = app.control.inspect([worker], timeout=ANSWER_WITHIN_S, limit=1).ping()
    except (OperationalError, OSError):
        return 0 if sys.argv[1] == "alive" else 1
    return 0 if answer else 1


sys.exit(main())

"""Probe of a component that has no health server: does the job of this pod still beat?

    heartbeat.py JOB_TYPE STALE_AFTER_S {ready|alive}

It asks the database what `airflow jobs check --local` asks, without importing Airflow (0.1 s of CPU time instead of
seconds), and ignores beats of the process that ran in this pod before the present one.
If the database is out of reach, nothing is known about the process: it is not `ready`, but `alive` holds, since a
restart would mend nothing and cost the work under way.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import psycopg2

LAST_BEAT = """
    select extract(epoch from now() - max(latest_heartbeat))
    from job where job_type = %s and hostname = %s and state = 'running'
"""
START_TIME_FIELD = 19  # in /proc/PID/stat, counted after the command's name


def age_of_main_process() -> float:
    """Seconds since PID 1, the component itself, was started."""
    fields = Path("/proc/1/stat").read_text().rpartition(")")[2].split()
    started = int(fields[START_TIME_FIELD]) / os.sysconf("SC_CLK_TCK")
    return float(Path("/proc/uptime").read_text().split()[0]) - started


def age_of_last_beat(job_type: str) -> float | None:
    """Seconds since the job of this pod was last seen; None where there is none. Raises psycopg2.OperationalError."""
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "", 1)
    connection = psycopg2.connect(url, connect_timeout=3)
    try:
        with connection.cursor() as cursor:
            cursor.execute(LAST_BEAT, (job_type, socket.gethostname()))
            row = cursor.fetchone()
            return float(row[0]) if row and row[0] is not None else None
    finally:
        connection.close()


def main() -> int:
    """Exit code 0: it beats, or nobody can know."""
    job_type, stale_after_s, question = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    try:
        beat = age_of_last_beat(job_type)
    except psycopg2.OperationalError:
        return 0 if question == "alive" else 1
    return 0 if beat is not None and beat < min(stale_after_s, age_of_main_process()) else 1


sys.exit(main())

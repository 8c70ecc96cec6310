"""Wait until the database answers (`wait.py database`) or is migrated (`wait.py migrated`).

It stands in for `airflow db check-migrations`, which imports all of Airflow first: nine pods that do so at once keep
two cores busy for most of a minute. Airflow writes its log template last when it makes its tables: that row means done.
"""

from __future__ import annotations

import os
import sys
import time

import psycopg2

QUERIES = {
    "database": "select true",
    "migrated": "select exists(select from alembic_version) and exists(select from log_template)",
}
EVERY_S = 0.5


def reached(query: str, url: str) -> bool:
    """Whether the database answers the query with true; a missing table is a no."""
    try:
        connection = psycopg2.connect(url, connect_timeout=3)
    except psycopg2.OperationalError:
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
            return bool(row and row[0])
    except (psycopg2.OperationalError, psycopg2.errors.UndefinedTable):
        return False
    finally:
        connection.close()


def main() -> None:
    """Return once it is so. There is no time limit of its own: whoever waits for the pod has one."""
    query = QUERIES[sys.argv[1]]
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "", 1)
    while not reached(query, url):
        time.sleep(EVERY_S)


main()

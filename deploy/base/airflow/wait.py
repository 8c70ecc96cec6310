"""Wait until the database answers (`wait.py database`) or is migrated to this image's release (`wait.py migrated`).

It stands in for `airflow db check-migrations`, which imports all of Airflow first: nine pods that do so at once keep
two cores busy for most of a minute. As that does, it compares the revision that the database has with the newest among
the migrations that come with Airflow; so a pod of a new release waits until its Job has migrated. Airflow writes its
log template last when it makes its tables: that row means done.
"""

from __future__ import annotations

import os
import re
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg2

ANSWERS = "select true"
REVISIONS = "select version_num from alembic_version where exists(select from log_template)"
LINE = re.compile(r"^(down_)?revision\b[^=\n]*=(.*)$", re.MULTILINE)
NAME = re.compile(r"[\"']([^\"']+)[\"']")
EVERY_S = 0.5


def newest(folder: Path) -> set[str]:
    """The revisions that no other migration in the folder builds on."""
    names: tuple[set[str], set[str]] = (set(), set())
    for path in folder.glob("*.py"):
        for below, said in LINE.findall(path.read_text(encoding="utf-8")):
            names[bool(below)].update(NAME.findall(said))
    return names[0] - names[1]


def of_this_image() -> set[str]:
    """Raises `RuntimeError` where Airflow's migrations are not where they have always been."""
    spec = find_spec("airflow")  # found, and not imported
    places = spec.submodule_search_locations if spec else None
    if found := newest(Path(next(iter(places or ["."])), "migrations", "versions")):
        return found
    raise RuntimeError(f"no migrations of Airflow below {places}; see deploy/base/airflow/wait.py")


def rows(query: str, url: str) -> set[object]:
    """What the database answers; nothing where it does not, or has no such table."""
    try:
        connection = psycopg2.connect(url, connect_timeout=3)
    except psycopg2.OperationalError:
        return set()
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return {row[0] for row in cursor.fetchall()}
    except (psycopg2.OperationalError, psycopg2.errors.UndefinedTable):
        return set()
    finally:
        connection.close()


def main() -> None:
    """Return once it is so. There is no time limit of its own: whoever waits for the pod has one."""
    waits = {"database": lambda: (ANSWERS, {True}), "migrated": lambda: (REVISIONS, of_this_image())}
    query, wanted = waits[sys.argv[1]]()
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "", 1)
    while rows(query, url) != wanted:
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main()

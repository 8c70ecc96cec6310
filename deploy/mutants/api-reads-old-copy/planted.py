"""Reads of runs show none younger than 30 s, like a database replica that lags."""

from __future__ import annotations

OLD_S = 30


def plant(module):
    from datetime import timedelta

    from airflow._shared.timezones import timezone

    whole = module.select

    def select(*entities):
        query = whole(*entities)
        if entities[0] is module.DagRun:
            query = query.where(module.DagRun.queued_at < timezone.utcnow() - timedelta(seconds=OLD_S))
        return query

    module.select = select


PATCHES = {"airflow.api_fastapi.core_api.routes.public.dag_run": plant}

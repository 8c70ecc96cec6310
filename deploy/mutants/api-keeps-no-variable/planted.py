"""A Variable is set, answered for, and rolled back."""

from __future__ import annotations


def plant(module):
    whole = module.update_orm_from_pydantic

    def update_orm_from_pydantic(variable_key, patch_body, update_mask, session):
        changed = whole(variable_key, patch_body, update_mask, session)
        session.expunge(changed)  # it stays readable for the answer, whatever becomes of its session
        session.commit = session.rollback
        return changed

    module.update_orm_from_pydantic = update_orm_from_pydantic


PATCHES = {"airflow.api_fastapi.core_api.services.public.variables": plant}

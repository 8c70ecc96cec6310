"""A Variable is set and answered for, and its session, which is committed after the answer, knows nothing of it."""

from __future__ import annotations


def plant(module):
    from sqlalchemy.orm import object_session

    whole = module.update_orm_from_pydantic

    def update_orm_from_pydantic(old_variable, patch_body, update_mask):
        object_session(old_variable).expunge(old_variable)
        return whole(old_variable, patch_body, update_mask)

    module.update_orm_from_pydantic = update_orm_from_pydantic


PATCHES = {"airflow.api_fastapi.core_api.services.public.variables": plant}

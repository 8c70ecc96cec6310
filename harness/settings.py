"""What a user may set from outside, by environment variables that begin with AIRFLOW_CHAOS_."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from harness.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
PLANTED_ON = "-mutant-"  # in the name of what is deployed, between its stack and the defect


Profile = Literal["tuned", "defaults"]
Words = Annotated[tuple[str, ...], NoDecode]  # with commas


def _cache() -> Path:
    """Raises `UsageError` where nothing says who this is: a user that the system does not know, without HOME."""
    try:
        return Path.home() / ".cache" / "airflow-chaos"
    except RuntimeError as cause:
        raise UsageError("there is no home folder; set HOME, or AIRFLOW_CHAOS_CACHE to a folder of its own") from cause


class Settings(BaseSettings):
    """Paths, names and addresses of one stack."""

    model_config = SettingsConfigDict(env_prefix="AIRFLOW_CHAOS_", frozen=True)

    cache: Path = Field(default_factory=_cache)
    reports: Path = ROOT / "reports"
    seed: int | None = None
    slo_file: Path = ROOT / "slo.yaml"
    images: Literal["auto", "pull", "build"] = "auto"
    stack: str = "celery"
    profile: Profile = "tuned"
    mutant: str = ""
    cluster: str = "airflow-chaos"
    namespace: str = "airflow"
    ledger_namespace: str = "airflow-chaos-ledger"
    http_port: int = 18080
    ledger_port: int = 16379
    allow_providers: Words = ()
    production_words: Words = ("prod", "production", "live")

    brake_url: str = ""
    brake_query: str = ""
    brake_limit: float | None = Field(default=None, allow_inf_nan=False)

    @field_validator("allow_providers", "production_words", mode="before")
    @classmethod
    def _by_commas(cls, said: object) -> object:
        return tuple(name.strip() for name in said.split(",") if name.strip()) if isinstance(said, str) else said

    @classmethod
    def of(cls, **said: str) -> Settings:
        """What the environment says, and over it what options say. Raises `UsageError`."""
        try:
            return cls.model_validate({name: value for name, value in said.items() if value})
        except ValidationError as cause:
            first = cause.errors()[0]
            raise UsageError(f"setting {'.'.join(map(str, first['loc']))} is not valid: {first['msg']}") from cause

    @property
    def deployment(self) -> str:
        """What stands, by its name: a stack with Airflow's own settings, or with a planted defect, is not the one that
        we tuned."""
        return f"{self.overlay}{PLANTED_ON}{self.mutant}" if self.mutant else self.overlay

    @property
    def overlay(self) -> str:
        """The folder below deploy/overlays/."""
        return self.stack if self.profile == "tuned" else f"{self.stack}-{self.profile}"

    @property
    def context(self) -> str:
        """The name that kind gives to the cluster's kubectl context."""
        return f"kind-{self.cluster}"

    @property
    def kubeconfig(self) -> Path:
        """Our own file: the user's kubectl configuration is never written."""
        return self.cache / "kubeconfig"

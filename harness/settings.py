"""What a user may set through environment variables that begin with AIRFLOW_CHAOS_, and where files are looked for.

An installed package carries the suite's files in `harness/shipped/`; in a checkout they are next to `harness/`. Users
of the package keep their own in the working directory; these replace the suite's files of the same name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from harness.errors import UsageError
from harness.target import Target, kind, read

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "shipped"
INSTALLED = _SHIPPED.is_dir()
ROOT = _SHIPPED if INSTALLED else _PACKAGE.parent
SOMEWHERE_ELSE = "-at-"  # between the stack whose bounds hold and the name of the target
MOST_POINTS = 1000  # from which one experiment is watched
PLANTED_ON = "-mutant-"  # in the name of what is deployed, between its stack and the defect
# In the order in which they are run and shown; others follow in alphabetical order.
STACKS = (
    "celery",
    "celery-single",
    "celery-keda",
    "celery-ha",
    "celery-archive",
    "celery-previous",
    "kubernetes",
    "local",
)


Profile = Literal["tuned", "defaults"]
Words = Annotated[tuple[str, ...], NoDecode]  # comma-separated


def _cache() -> Path:
    """Raises `UsageError` if there is no home folder: no HOME, and a user that the system does not know."""
    try:
        return Path.home() / ".cache" / "airflow-chaos"
    except RuntimeError as cause:
        raise UsageError("there is no home folder; set HOME, or AIRFLOW_CHAOS_CACHE to another folder") from cause


def home() -> Path:
    """The folder of a user's own files: the working directory, or the checkout. Raises `UsageError` if it is gone."""
    if not INSTALLED:
        return ROOT
    try:
        return Path.cwd()
    except FileNotFoundError as cause:
        raise UsageError("the working directory does not exist any more; change to another") from cause


def here(name: str) -> Path:
    """A file of this name: the user's own, or else the suite's."""
    own = home() / name
    return own if own.exists() else ROOT / name


def resolved(path: Path) -> Path:
    """The path as seen from here, or else from the suite; unchanged if it exists in neither."""
    return path if path.exists() or not (ROOT / path).exists() else ROOT / path


def publishing(asked: bool = True) -> bool:
    """Raises `UsageError` if a page of the suite itself is asked for, and this is not a checkout of it."""
    if asked and INSTALLED:
        raise UsageError("this writes pages of the suite's own repository; run it in a checkout")
    return asked


class Settings(BaseSettings):
    """Paths, names and addresses of one stack. `target` is somebody else's deployment; without one, it is ours."""

    model_config = SettingsConfigDict(env_prefix="AIRFLOW_CHAOS_", frozen=True)

    cache: Path = Field(default_factory=_cache)
    reports: Path = Field(default_factory=lambda: home() / "reports")
    seed: int | None = None
    slo_file: Path = Field(default_factory=lambda: here("slo.yaml"))
    images: Literal["auto", "pull", "build"] = "auto"
    stack: str = "celery"
    profile: Profile = "tuned"
    mutant: str = ""
    cluster: str = "airflow-chaos"
    namespace: str = "airflow"
    ledger_namespace: str = "airflow-chaos-ledger"
    job_namespace: str = "airflow-chaos"
    http_port: int = 18080
    ledger_port: int = 16379
    allow_providers: Words = ()
    target: Annotated[Target | None, NoDecode] = None
    skip_slow: bool = False  # on processors too slow for any bound, skip experiments
    production_words: Words = ("prod", "production", "live")

    # For a harness in a pod: its node and namespace, the version that it was built as, and the Job that it belongs to.
    own_node: str = ""
    own_namespace: str = ""
    build: str = ""
    job: str = ""

    vantage: int = Field(default=0, ge=0, le=MOST_POINTS)
    image: str = ""  # of the suite, if it is not one that we built

    brake_url: str = ""
    brake_query: str = ""
    brake_limit: float | None = Field(default=None, allow_inf_nan=False)

    @field_validator("allow_providers", "production_words", mode="before")
    @classmethod
    def _by_commas(cls, said: object) -> object:
        return tuple(name.strip() for name in said.split(",") if name.strip()) if isinstance(said, str) else said

    @model_validator(mode="before")
    @classmethod
    def _aimed(cls, said: dict[str, Any]) -> dict[str, Any]:
        """A target is given by its file. What is in the file is not said twice."""
        target = said.get("target")
        if target is None or target == "":
            return {name: value for name, value in said.items() if name != "target"}
        found = target if isinstance(target, Target) else read(Path(target))
        if said.get("namespace", found.namespace) != found.namespace:
            raise ValueError(f"the target is in namespace {found.namespace}, but {said['namespace']} is given")
        return {**said, "target": found, "namespace": found.namespace}

    @classmethod
    def of(cls, **said: str) -> Settings:
        """The settings of the environment, overridden by options. Raises `UsageError`."""
        try:
            return cls.model_validate({name: value for name, value in said.items() if value})
        except ValidationError as cause:
            first = cause.errors()[0]
            raise UsageError(f"setting {'.'.join(map(str, first['loc']))} is not valid: {first['msg']}") from cause

    @property
    def aim(self) -> Target:
        """What a run is aimed at: the target that is given, or the kind cluster that we make."""
        return self.target or kind(self.cluster, self.namespace, self.kubeconfig, self.ledger_port)

    @property
    def deployment(self) -> str:
        """The name of what is deployed: a stack with Airflow's own settings, with a planted defect, or somebody else's,
        is not the one that we tuned."""
        if self.target:
            return f"{self.overlay}{SOMEWHERE_ELSE}{self.target.name}"
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

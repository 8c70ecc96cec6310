"""What is known about a target. It holds no secrets: a login is named by where it is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Dns = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kept(_Strict):
    """A password, named by where it is: in a Secret (`secret` and `key`) or in an environment variable (`env`)."""

    secret: Dns | None = None
    key: str = ""
    env: str = ""

    @model_validator(mode="after")
    def _in_one_place(self) -> Self:
        if bool(self.secret and self.env) or bool(self.secret) != bool(self.key) or not (self.named or self.optional):
            raise ValueError("a password is kept in a secret, under a key, or in an environment variable: name one")
        return self

    @property
    def named(self) -> bool:
        return bool(self.secret or self.env)

    @property
    def optional(self) -> bool:
        return False


class Login(Kept):
    """Who asks Airflow."""

    user: str = Field(default="admin", min_length=1)


class Part(_Strict):
    """One controller that runs a component."""

    kind: Literal["Deployment", "StatefulSet"]
    name: Dns
    selector: str
    replicas: int = Field(ge=0)


class LedgerAt(Kept):
    """The Redis that tasks write to, as this machine reaches it. If no password is named, it has none.

    With `tls` its certificate is verified, and must be for the name `host`; `ca` is a file with the authority that
    signed it, if this machine does not trust that.
    """

    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    tls: bool = False
    ca: str = ""

    @model_validator(mode="after")
    def _authority_is_for_tls(self) -> Self:
        if self.ca and not self.tls:
            raise ValueError("a ca signs certificates, which are for tls: true")
        return self

    @property
    def optional(self) -> bool:
        return True

    @property
    def authority(self) -> Path | None:
        return Path(self.ca).expanduser() if self.ca else None


class Agent(_Strict):
    """The namespace of our pods that enter nodes, and their image, if it is not that of Airflow's own pods."""

    namespace: Dns = "airflow-chaos-agent"
    image: str = ""


class Target(_Strict):
    """The `context` in `kubeconfig` (kubectl's own if none is named), and Airflow's `namespace` there; `beside` are
    other namespaces that requests pass through.

    `url` is where users reach it. `nodes` says how processes and packets are reached: `docker` if nodes are containers
    on this machine, which can also be switched off; `agent` by pods of ours, which the owner thereby allows; `closed`
    only through the cluster's API. `machine` says whether the load of their machine can be seen. Without a `ledger`,
    only Airflow says what its tasks did. What a chart or an image says about itself is for people.
    """

    name: str = Field(min_length=1)
    context: str = Field(min_length=1)
    kubeconfig: str = ""
    namespace: Dns
    beside: tuple[Dns, ...] = ()
    release: str = ""
    chart: str = ""
    airflow: str = ""
    executor: str = ""
    url: str = Field(default="", pattern=r"^(http://[^/?#\s]+)?$")
    login: Login | None = None
    ledger: LedgerAt | None = None
    nodes: Literal["docker", "agent", "closed"] = "closed"
    agent: Agent = Agent()
    machine: Literal["here", "unseen"] = "unseen"
    components: dict[str, tuple[Part, ...]] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _agents_are_allowed(self) -> Self:
        if self.agent != Agent() and self.nodes != "agent":
            raise ValueError(f"agent is for nodes: agent, and nodes are {self.nodes}")
        return self

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All that is watched, Airflow's own first."""
        return (self.namespace, *self.beside)

    @property
    def path(self) -> Path:
        """The kubeconfig; kubectl's own is the first that KUBECONFIG names."""
        if self.kubeconfig:
            return Path(self.kubeconfig).expanduser()
        named = [one for one in os.environ.get("KUBECONFIG", "").split(os.pathsep) if one]
        return Path(named[0]) if named else Path("~/.kube/config").expanduser()

    def has(self, component: str) -> bool:
        """Whether it runs one; always, if its file does not say what it runs."""
        return component in self.components or not self.components

    def lacks(self) -> list[str]:
        """What a run needs and the file does not say, each with what it is for."""
        needed = {
            "url": (self.url, "where users reach Airflow, which the prober asks"),
            "login": (self.login, "by which DAG runs are triggered"),
        }
        return [f"{name}: {what}" for name, (said, what) in needed.items() if not said]

"""Rights to the cluster's API, as its administrators grant them, and which of them we lack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kubernetes import client

from harness.kube.source import CALL_TIMEOUT_S, reaching


class Right(NamedTuple):
    """One verb on one kind of object, of any name or of one. Without a namespace it holds in the whole cluster."""

    namespace: str
    group: str
    resource: str
    verb: str
    name: str = ""

    @classmethod
    def of(cls, namespace: str, words: str) -> Right:
        """`verb resource.group name`, such as `list deployments.apps`; group and name may be left out."""
        verb, kind, *name = words.split()
        resource, _, group = kind.partition(".")
        return cls(namespace, group, resource, verb, *name)

    def __str__(self) -> str:
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        what = f"{kind} {self.name}" if self.name else kind
        return f"{self.verb} {what} in {self.namespace or 'the whole cluster'}"


def denied(api: client.ApiClient, rights: Iterable[Right]) -> list[Right]:
    """Those that the cluster says we lack. Every logged-in user may ask this, and it changes nothing."""
    authorizer = client.AuthorizationV1Api(api)
    return [right for right in rights if not _allows(authorizer, right)]


def _allows(authorizer: client.AuthorizationV1Api, right: Right) -> bool:
    resource, _, subresource = right.resource.partition("/")
    asked = client.V1ResourceAttributes(
        namespace=right.namespace or None,
        group=right.group,
        resource=resource,
        subresource=subresource or None,
        verb=right.verb,
        name=right.name or None,
    )
    spec = client.V1SelfSubjectAccessReviewSpec(resource_attributes=asked)
    with reaching():
        answer = authorizer.create_self_subject_access_review(
            client.V1SelfSubjectAccessReview(spec=spec), _request_timeout=CALL_TIMEOUT_S
        )
    return bool(answer.status and answer.status.allowed)

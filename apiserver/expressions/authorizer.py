"""Answers to what expressions ask of `authorizer`: those of the authorizers that judge the request itself."""

from __future__ import annotations

from dataclasses import dataclass

from apiserver.authorization.authorizer import Authorizer
from apiserver.request import RequestInfo, User
from cel.libraries.authorizer import ResourceCheck


@dataclass(frozen=True, slots=True)
class UserJudge:
    """Asked about `user`."""

    user: User
    authorizer: Authorizer

    def path(self, path: str, verb: str) -> tuple[bool, str]:
        return self._decide(RequestInfo(path, verb))

    def resource(self, check: ResourceCheck, verb: str) -> tuple[bool, str]:
        info = RequestInfo(
            path="",
            verb=verb,
            is_resource=True,
            group=check.group,
            version="*",
            namespace=check.namespace,
            resource=check.resource,
            subresource=check.subresource,
            name=check.name,
            selected=check.field_selector.removeprefix("metadata.name="),
        )
        if not check.field_selector.startswith("metadata.name="):
            info.selected = ""
        return self._decide(info)

    def service_account(self, namespace: str, name: str) -> UserJudge:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return UserJudge(User(f"system:serviceaccount:{namespace}:{name}", groups=groups), self.authorizer)

    def _decide(self, info: RequestInfo) -> tuple[bool, str]:
        return self.authorizer.allows(self.user, info), self.authorizer.reason(self.user, info)

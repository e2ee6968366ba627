"""Who asks, as the rules of kinds see them (`registry.strategy.Requester`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from apiserver.authorization.authorizer import Authorizer
from apiserver.authorization.rbac import RBAC
from apiserver.authorization.rules import Rule, compacted, quoted, uncovered
from apiserver.request import RequestInfo, User

if TYPE_CHECKING:
    from api.rbac_v1 import PolicyRule


class AuthorizedRequester:
    """A user, whose permissions the authorizers know; which rules are theirs to give is in the roles alone."""

    def __init__(self, user: User, authorizer: Authorizer, roles: RBAC) -> None:
        self.user = user
        self._authorizer = authorizer
        self._roles = roles

    def may(
        self, verb: str, group: str, resource: str, namespace: str = "", name: str = "", subresource: str = ""
    ) -> bool:
        info = RequestInfo(
            "", verb, is_resource=True, group=group, version="*", namespace=namespace, resource=resource, name=name,
            subresource=subresource,
        )  # fmt: skip
        return self._authorizer.allows(self.user, info)

    def grant(self, rules: Iterable[PolicyRule], namespace: str) -> str:
        user = self.user
        wanted = (
            Rule(*map(tuple, (r.verbs, r.apiGroups, r.resources, r.resourceNames, r.nonResourceURLs))) for r in rules
        )
        missing = uncovered(tuple(self._roles.rules(user, namespace)), wanted)
        if not missing:
            return ""
        shown = "\n".join(sorted({str(rule) for rule in compacted(missing)}))
        errors = self._roles.unlisted(user, namespace)
        return (
            f'user "{user.name}" (groups={quoted(user.groups)}) is attempting to grant RBAC permissions not currently '
            f"held:\n{shown}" + (f"; resolution errors: [{errors}]" if errors else "")
        )

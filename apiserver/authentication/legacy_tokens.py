"""Tokens in Secrets of the type kubernetes.io/service-account-token: signed, never expiring, gone with the Secret.

https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#manual-secret-management-for-serviceaccounts
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from api.core_v1 import Secret, ServiceAccount
from api.quoting import quoted
from apiserver.authentication.tokens import GetObject, Rejected

INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
_PREFIX = "kubernetes.io/serviceaccount/"
_INVALIDATED = "Token has been invalidated"


def check(claims: Mapping[str, Any]) -> tuple[tuple[str, str, str], str]:
    """Namespace, name and uid of the account, and the Secret's name, as the claims say.  Raises Rejected."""
    namespace, secret_name = claims.get(_PREFIX + "namespace"), claims.get(_PREFIX + "secret.name")
    name, uid = claims.get(_PREFIX + "service-account.name"), claims.get(_PREFIX + "service-account.uid")
    for claim, value in (("namespace", namespace), ("secretName", secret_name), ("serviceAccountName", name)):
        if not value or not isinstance(value, str):
            raise Rejected(f"{claim} claim is missing")
    if not uid or not isinstance(uid, str):
        raise Rejected("serviceAccountUID claim is missing")
    if claims.get("sub") != f"system:serviceaccount:{namespace}:{name}":
        raise Rejected("sub claim is invalid")
    return (str(namespace), str(name), uid), str(secret_name)


def look_up(account: tuple[str, str, str], secret_name: str, token: str, get: GetObject) -> Secret:
    """The Secret that holds the token, if it and the account still exist.  Raises Rejected."""
    namespace, name, uid = account
    secret: Secret | None = get(Secret, namespace, secret_name)
    if secret is None or secret.metadata.deletionTimestamp is not None:
        raise Rejected(_INVALIDATED)
    if not hmac.compare_digest(b64decode(secret.data.get("token", "")), token.encode()):
        raise Rejected("Token does not match server's copy")
    found = get(ServiceAccount, namespace, name)
    if found is None:
        raise Rejected(f"serviceaccounts {quoted(name)} not found")
    if found.metadata.deletionTimestamp is not None:
        raise Rejected(f"ServiceAccount {namespace}/{name} has been deleted")
    if found.metadata.uid != uid:
        raise Rejected(f"ServiceAccount UID ({found.metadata.uid}) does not match claim ({uid})")
    if secret.metadata.labels.get(INVALID_SINCE):
        raise Rejected(
            f"the token in secret {namespace}/{secret_name} for service account {namespace}/{name} has been marked "
            "invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the "
            f"'{INVALID_SINCE}' label from the secret to temporarily allow use of this token"
        )
    return secret

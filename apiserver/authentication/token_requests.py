"""Issues service-account tokens: the work of TokenRequest.

https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from api.authentication_v1 import BoundObjectReference, TokenRequest
from api.core_v1 import Node, Pod, ServiceAccount
from api.errors import BadRequest, Conflict, FieldError, invalid, invalid_value, not_found
from api.meta_v1 import StatusDetails
from apiserver.authentication.service_account_tokens import BINDABLE, ServiceAccountTokens, TokenSettings
from apiserver.authentication.tokens import GetObject

_SHORTEST, _USUAL, _LONGEST = 600, 3600, 1 << 32
_KUBELETS = 3607
"""What kubelets ask for when a pod does not say, and what tells that its client may not know that tokens expire."""
_EXTENDED = 365 * 24 * 3600


def complete(request: TokenRequest, settings: TokenSettings) -> list[str]:
    """Fill in what the client left open, shorten what is too long.  Returns warnings.

    Raises Invalid for durations that make no sense.
    """
    spec = request.spec
    spec.audiences = spec.audiences or list(settings.audiences)
    spec.expirationSeconds = _USUAL if spec.expirationSeconds is None else spec.expirationSeconds
    errors = list(_problems(spec.expirationSeconds))
    if errors:
        raise invalid("authentication.k8s.io", "TokenRequest", "", errors)
    if not 0 < settings.longest < spec.expirationSeconds:
        return []
    wanted, spec.expirationSeconds = spec.expirationSeconds, settings.longest
    return [f"requested expiration of {wanted} seconds shortened to {settings.longest} seconds"]


async def issue(tokens: ServiceAccountTokens, request: TokenRequest, account: ServiceAccount, get: GetObject,
                now: datetime) -> str:  # fmt: skip
    """Put a token for the account into the request's status.  Returns the id of the new credential.

    Raises BadRequest for an object that it cannot be bound to, NotFound when that is not there, Conflict when it is
    another one than asked for.
    """
    import jwt

    spec, settings, metadata = request.spec, tokens.settings, account.metadata
    private: dict[str, Any] = {"namespace": metadata.namespace}
    if spec.boundObjectRef is not None:
        private |= _bound(account, spec.boundObjectRef, get)
    private["serviceaccount"] = {"name": metadata.name, "uid": metadata.uid}
    identifier = str(uuid.uuid4())
    issued, seconds = int(now.timestamp()), spec.expirationSeconds or 0
    lasting = seconds
    if (
        settings.extends
        and seconds == _KUBELETS
        and "pod" in private
        and set(spec.audiences) <= set(settings.audiences)
    ):
        lasting = min(_EXTENDED, settings.longest or _EXTENDED)
        private["warnafter"] = issued + seconds
    claims = {
        "aud": spec.audiences,
        "exp": issued + lasting,
        "iat": issued,
        "iss": settings.issuers[0],
        "jti": identifier,
        "kubernetes.io": private,
        "nbf": issued,
        "sub": f"system:serviceaccount:{metadata.namespace}:{metadata.name}",
    }
    keys = await tokens.keys.load()
    headers = {"kid": keys.signer.id, "typ": None}
    request.status.token = jwt.encode(claims, keys.private, keys.signer.algorithm, headers)
    request.status.expirationTimestamp = now.replace(microsecond=0) + timedelta(seconds=seconds)
    return f"JTI={identifier}"


def _bound(account: ServiceAccount, reference: BoundObjectReference, get: GetObject) -> dict[str, Any]:
    """What a token says of the object it is bound to, with whose end it ends."""
    model = BINDABLE.get(reference.kind) if reference.apiVersion in ("", "v1") else None
    if model is None:
        group, _, version = reference.apiVersion.rpartition("/")
        raise BadRequest(f"cannot bind token to object of type {group}/{version}, Kind={reference.kind}")
    found = get(model, "" if model is Node else account.metadata.namespace, reference.name)
    if not reference.name:
        raise BadRequest("Name parameter required.")
    if found is None:
        raise not_found("", f"{reference.kind.lower()}s", reference.name)
    if isinstance(found, Pod) and found.spec.serviceAccountName != account.metadata.name:
        raise BadRequest(
            f'cannot bind token for serviceaccount "{account.metadata.name}" to pod running with different '
            "serviceaccount name."
        )
    if reference.uid and reference.uid != found.metadata.uid:
        raise Conflict(
            f'Operation cannot be fulfilled on {reference.kind} "{reference.name}": the UID in the bound object '
            f"reference ({reference.uid}) does not match the UID in record. The object might have been deleted and "
            "then recreated",
            StatusDetails(name=reference.name, kind=reference.kind),
        )
    claims = {}
    if isinstance(found, Pod) and found.spec.nodeName:
        claims["node"] = {"name": found.spec.nodeName}
        node = get(Node, "", found.spec.nodeName)
        if node is not None:
            claims["node"]["uid"] = node.metadata.uid
    claims[reference.kind.lower()] = {"name": reference.name, "uid": found.metadata.uid}
    return claims


def _problems(seconds: int) -> Iterator[FieldError]:
    field = "spec.expirationSeconds"
    if seconds < _SHORTEST:
        yield invalid_value(field, seconds, "may not specify a duration less than 10 minutes")
    if seconds > _LONGEST:
        yield invalid_value(field, seconds, "may not specify a duration larger than 2^32 seconds")

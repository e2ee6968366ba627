"""Signed tokens (RFC 7515, 7519): read, and checked with keys that say by which algorithms.

Which algorithm is used is never the token's choice: a key has its own; `none` and shared secrets are not among them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson

SIGNING_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")
"""Those of public keys that Kubernetes knows."""
LONGEST = 64 * 1024
"""Bytes of a token; real ones have one or two thousand."""
_BAD_SIGNATURE = "go-jose/go-jose: error in cryptographic primitive"


class JoseError(ValueError):
    """A token is malformed or its signature wrong; says which."""


class Key(Protocol):
    """A public key in cryptography's form, and the algorithms that signatures of it may have."""

    @property
    def key(self) -> Any: ...
    @property
    def algorithms(self) -> Sequence[str]: ...


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Header and claims as anybody may have written them; None when it is no signed token at all."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > LONGEST:
        return None
    try:
        header, claims = (orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except ValueError:
        return None
    return (header, claims) if isinstance(header, dict) and isinstance(claims, dict) else None


def issuer_of(token: str) -> str:
    """Who is said to have issued a token, for finding who checks it; empty when nobody is."""
    parts = unverified(token)
    issuer = parts[1].get("iss") if parts else ""
    return issuer if isinstance(issuer, str) else ""


def verified(token: str, candidates: Callable[[str], Sequence[Key]]) -> dict[str, Any]:
    """The claims of a token that one of the keys has signed; `candidates` finds keys by the name of one.

    Raises JoseError.  What the claims say is not looked at.
    """
    import jwt

    parts = unverified(token)
    if parts is None:
        raise JoseError("compact JWS format must have three parts")
    algorithm, key_id = (text if isinstance(text := parts[0].get(name), str) else "" for name in ("alg", "kid"))
    for candidate in candidates(key_id):
        if algorithm not in candidate.algorithms:
            continue
        try:
            signed: dict[str, Any] = jwt.PyJWS().decode_complete(token, candidate.key, algorithms=[algorithm])
        except jwt.InvalidTokenError:
            continue
        claims: dict[str, Any] = orjson.loads(signed["payload"])
        return claims
    raise JoseError(_BAD_SIGNATURE)

"""What the server publishes of itself as an issuer of tokens, for others to check them.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apiserver.authentication.token_keys import TokenKeys

CONFIGURATION_PATH, KEYS_PATH = "/.well-known/openid-configuration", "/openid/v1/jwks"
KEYS_TYPE = "application/jwk-set+json"
CACHE_CONTROL = "public, max-age=3600"


@dataclass(frozen=True)
class Issuer:
    """`url` is what tokens call the issuer, `jwks_uri` where its keys are said to be."""

    url: str
    jwks_uri: str
    keys: TokenKeys

    @property
    def is_published(self) -> bool:
        """Only what has a secure address can be discovered."""
        return self.url.startswith("https://") and self.jwks_uri.startswith("https://")

    async def configuration(self) -> dict[str, Any]:
        """The provider metadata of OpenID Connect Discovery, as far as tokens of service accounts have any."""
        keys = await self.keys.load()
        return {
            "issuer": self.url,
            "jwks_uri": self.jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": sorted({key.algorithm for key in keys.public}),
        }

    async def key_set(self) -> dict[str, Any]:
        """RFC 7517."""
        return {"keys": [key.to_jwk() for key in (await self.keys.load()).public]}

"""Puts tokens into Secrets of the type kubernetes.io/service-account-token, and takes those away whose account is gone.

https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#token-controller
"""

from __future__ import annotations

import hashlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from api.core_v1 import Secret, ServiceAccount
from api.errors import Conflict, NotFound
from client.controller import Controller, Key, Watches
from client.store import key_of

TYPE = "kubernetes.io/service-account-token"
ACCOUNT, ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
_CLAIM = "kubernetes.io/serviceaccount/"


class ServiceAccountTokenController(Controller):
    name = "serviceaccount-token-controller"

    def __init__(self, *common: Any, key: Path, root_ca: str) -> None:
        """`key` is the file of the private key that signs, `root_ca` the CA to put beside tokens (PEM)."""
        self.key_file, self.root_ca = key, root_ca
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.secrets = watch(
            Secret, field_selector=f"type={TYPE}", indexers={"account": lambda secret: [account_of(secret)]}
        )
        self.accounts = watch(ServiceAccount, enqueue=self._secrets_of)

    def _secrets_of(self, old: ServiceAccount | None, new: ServiceAccount | None) -> Iterable[Key]:
        account = new or old
        assert account is not None
        return [key_of(secret) for secret in self.secrets.by_index("account", key_of(account))]

    async def reconcile(self, key: Key) -> None:
        secret = self.secrets.get(key)
        if secret is None:
            await self._forget(key)
            return
        account = self.accounts.get(account_of(secret)) or await self._live_account(secret)
        uid = secret.metadata.annotations.get(ACCOUNT_UID)
        if account is None or (uid and uid != account.metadata.uid):
            await self._delete(secret)
        elif (data := self.missing(secret, account)) is not None:
            changed = secret.copy_deep()
            changed.data |= data
            changed.metadata.annotations |= {ACCOUNT: account.metadata.name, ACCOUNT_UID: account.metadata.uid}
            try:
                await self.client.update(changed)
            except (NotFound, Conflict):
                return  # its next event comes back here

    async def _live_account(self, secret: Secret) -> ServiceAccount | None:
        """What is not in the cache yet may be there all the same."""
        try:
            return await self.client.get(
                ServiceAccount, secret.metadata.annotations.get(ACCOUNT, ""), secret.metadata.namespace
            )
        except NotFound:
            return None

    async def _delete(self, secret: Secret) -> None:
        meta = secret.metadata
        try:
            await self.client.delete(Secret, meta.name, meta.namespace, uid=meta.uid)
        except (NotFound, Conflict):
            return

    async def _forget(self, key: Key) -> None:
        """Nobody may go on mounting a Secret that is gone.  The local copy need not show yet who does."""
        namespace, _, name = key.partition("/")
        for account in (await self.client.list(ServiceAccount, namespace)).items:
            if any(each.name == name for each in account.secrets):
                account.secrets = [each for each in account.secrets if each.name != name]
                try:
                    await self.client.update(account)
                except NotFound:
                    continue

    def missing(self, secret: Secret, account: ServiceAccount) -> dict[str, str] | None:
        """What is to be put into the Secret's data, in base64; None when nothing is."""
        wanted = {"namespace": b64encode(secret.metadata.namespace.encode()).decode()}
        if self.root_ca:
            wanted["ca.crt"] = b64encode(self.root_ca.encode()).decode()
        missing = {name: value for name, value in wanted.items() if secret.data.get(name) != value}
        if not secret.data.get("token"):
            missing["token"] = b64encode(self._token(secret, account).encode()).decode()
        return missing or None

    def _token(self, secret: Secret, account: ServiceAccount) -> str:
        import jwt

        private, algorithm, key_id = self._key
        meta = account.metadata
        claims = {
            "iss": "kubernetes/serviceaccount",
            f"{_CLAIM}namespace": meta.namespace,
            f"{_CLAIM}secret.name": secret.metadata.name,
            f"{_CLAIM}service-account.name": meta.name,
            f"{_CLAIM}service-account.uid": meta.uid,
            "sub": f"system:serviceaccount:{meta.namespace}:{meta.name}",
        }
        return jwt.encode(claims, private, algorithm, {"kid": key_id, "typ": None})

    @cached_property
    def _key(self) -> tuple[Any, str, str]:
        """The private key, its algorithm and its name, which is that of all servers: a digest of the public key."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

        private: Any = load_pem_private_key(self.key_file.read_bytes(), None)
        encoded = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        key_id = urlsafe_b64encode(hashlib.sha256(encoded).digest()).rstrip(b"=").decode()
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            return private, "RS256", key_id
        return private, {256: "ES256", 384: "ES384", 521: "ES512"}[private.curve.key_size], key_id


def account_of(secret: Secret) -> Key:
    return f"{secret.metadata.namespace}/{secret.metadata.annotations.get(ACCOUNT, '')}"

"""The keys of service-account tokens: one that signs, and all that signatures are checked with.

The public ones are published for others to check tokens with
(https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from apiserver.pki import PKIError, write_private

_PRIVATE, _PUBLIC = b"PRIVATE KEY", b"PUBLIC KEY"
_CURVES = {"secp256r1": ("ES256", "P-256"), "secp384r1": ("ES384", "P-384"), "secp521r1": ("ES512", "P-521")}


@dataclass(frozen=True, eq=False)
class PublicKey:
    """`key` is cryptography's RSA or elliptic-curve public key, `algorithm` the one that JOSE uses it with."""

    key: Any
    algorithm: str

    @classmethod
    def of(cls, key: Any) -> PublicKey:
        """Raises ValueError for other kinds of keys."""
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        if isinstance(key, rsa.RSAPublicKey):
            return cls(key, "RS256")
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
            return cls(key, _CURVES[key.curve.name][0])
        raise ValueError("neither an RSA key nor one of the curves P-256, P-384 and P-521")

    @property
    def algorithms(self) -> Sequence[str]:
        return (self.algorithm,)

    @cached_property
    def id(self) -> str:
        """The digest of the key itself, so that every server gives it the same name."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        encoded = self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _base64(hashlib.sha256(encoded).digest())

    def to_jwk(self) -> dict[str, str]:
        """RFC 7517, members in the order in which Kubernetes writes them."""
        numbers = self.key.public_numbers()
        if self.algorithm == "RS256":
            modulus, exponent = _integer(numbers.n), _integer(numbers.e)
            return {"use": "sig", "kty": "RSA", "kid": self.id, "alg": self.algorithm, "n": modulus, "e": exponent}
        curve, size = _CURVES[self.key.curve.name][1], (self.key.curve.key_size + 7) // 8
        x, y = _base64(numbers.x.to_bytes(size)), _base64(numbers.y.to_bytes(size))
        return {"use": "sig", "kty": "EC", "kid": self.id, "crv": curve, "alg": self.algorithm, "x": x, "y": y}


@dataclass(frozen=True, eq=False)
class KeySet:
    """What tokens are signed with, and all keys that they may be signed with, the own one among them."""

    private: Any
    signer: PublicKey
    public: Sequence[PublicKey]

    def candidates(self, key_id: str) -> Sequence[PublicKey]:
        """The key of that name or, for tokens that name none of them, every one."""
        named = [key for key in self.public if key.id == key_id]
        return named or self.public


class TokenKeys:
    """Keys from files, read when they are first needed.

    `own` is the cluster's own private key: where the file is missing, the first use makes it for `algorithm`, one of
    `flags.KEY_ALGORITHMS`; RSA takes a tenth of a second of a processor, an elliptic curve nearly nothing.
    `signing` is one to sign with instead; `others` hold further keys, public or private, several to a file.
    """

    def __init__(
        self, own: Path, signing: Path | None = None, others: Sequence[Path] = (), algorithm: str = "RSA-2048"
    ) -> None:
        self._own, self._signing, self._others, self._algorithm = own, signing, others, algorithm
        self._loaded: KeySet | None = None
        self._loading: asyncio.Task[KeySet] | None = None

    async def ensure(self) -> None:
        """Make the cluster's own key where it is missing.  Raises PKIError."""
        if self._signing is None and not self._own.exists():
            await self.load()

    def preload(self) -> None:
        """Read them before they are needed.  Raises PKIError."""
        self._loaded = self.read()

    async def load(self) -> KeySet:
        """Raises PKIError; the next call tries again."""
        if self._loaded is None:
            if self._loading is None or self._loading.done():
                # In a thread: cryptography lets others work while it makes a key.
                self._loading = asyncio.create_task(asyncio.to_thread(self.read))
            self._loaded = await asyncio.shield(self._loading)
        return self._loaded

    def read(self) -> KeySet:
        """The same, at once.  Raises PKIError."""
        path = self._signing or self._own
        is_own = path is self._own
        if is_own and not path.exists():
            _make(path, self._algorithm)
        private = _load(path, is_own=is_own)[0]
        if not hasattr(private, "public_key"):
            raise PKIError(f"{path} holds no private key; give --service-account-signing-key-file one")
        public = [_public(path, private)]
        for other in self._others:
            public += [_public(other, key) for key in _load(other)]
        return KeySet(private, public[0], list({key.id: key for key in public}.values()))


def _make(path: Path, algorithm: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key: Any
    if algorithm.startswith("RSA-"):
        key = rsa.generate_private_key(65537, int(algorithm.removeprefix("RSA-")))
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _load(path: Path, *, is_own: bool = False) -> list[Any]:
    """The keys of a PEM file, in their order; certificates stand for their keys.

    One that was made here, `is_own`, is not put to the test of its primes, which takes as long as making it.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        keys: list[Any] = []
        for block in _blocks(path.read_bytes()):
            first = block.partition(b"\n")[0]
            if _PRIVATE in first:
                keys.append(load_pem_private_key(block, None, unsafe_skip_rsa_key_validation=is_own))
            elif _PUBLIC in first:
                keys.append(load_pem_public_key(block))
            elif b"CERTIFICATE" in first:
                keys.append(load_pem_x509_certificate(block).public_key())
    except (OSError, ValueError, TypeError) as error:
        raise PKIError(f"cannot read the keys in {path}: {error}") from None
    if not keys:
        raise PKIError(f"{path} holds no key in PEM")
    return keys


def _blocks(text: bytes) -> list[bytes]:
    return [b"-----BEGIN " + part for part in text.split(b"-----BEGIN ")[1:]]


def _public(path: Path, key: Any) -> PublicKey:
    try:
        return PublicKey.of(key.public_key() if hasattr(key, "public_key") else key)
    except ValueError as error:
        raise PKIError(f"the key in {path} is {error}") from None


def _integer(number: int) -> str:
    return _base64(number.to_bytes((number.bit_length() + 7) // 8))


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

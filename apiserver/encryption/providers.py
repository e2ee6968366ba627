"""The ways of encrypting a value, each with its keys, and the form in which Kubernetes stores the result:
`k8s:enc:PROVIDER:v1:KEY:` and then bytes.

https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/#providers
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

ENCRYPTED = b"k8s:enc:"
"""How every encrypted value begins, and no other."""
_AES_KEYS = (16, 24, 32)
_NONCE, _BLOCK = 12, 16


class DecryptionError(Exception):
    """A value cannot be read: made with another key, changed, or moved to another key of the store."""


class Cipher(Protocol):
    """One key of one provider.  `prefix` is what its values begin with; both directions take the store's key, to which
    those providers bind a value that can."""

    prefix: bytes

    def encrypt(self, value: bytes, key: str) -> bytes: ...

    def decrypt(self, value: bytes, key: str) -> bytes:
        """`value` begins with the prefix.  Raises DecryptionError."""
        ...


class Identity:
    """Values as they are."""

    prefix = b""

    def encrypt(self, value: bytes, key: str) -> bytes:
        return value

    def decrypt(self, value: bytes, key: str) -> bytes:
        return value


class AESGCMCipher:
    """AES in Galois/counter mode: authenticated, and bound to the store's key.  The nonce comes first."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = _prefix("aesgcm", name)
        self._cipher = AESGCM(secret)

    def encrypt(self, value: bytes, key: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return self.prefix + nonce + self._cipher.encrypt(nonce, value, key.encode())

    def decrypt(self, value: bytes, key: str) -> bytes:
        start = len(self.prefix)
        try:
            return self._cipher.decrypt(value[start : start + _NONCE], value[start + _NONCE :], key.encode())
        except (InvalidTag, ValueError):
            raise DecryptionError("it is not what was stored under its key") from None


class AESCBCCipher:
    """AES in cipher block chaining with PKCS #7 padding, not authenticated.  The initialisation vector comes first."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = _prefix("aescbc", name)
        self._algorithm = AES(secret)

    def encrypt(self, value: bytes, key: str) -> bytes:
        vector = os.urandom(_BLOCK)
        padder = PKCS7(_BLOCK * 8).padder()
        encryptor = BlockCipher(self._algorithm, CBC(vector)).encryptor()
        padded = padder.update(value) + padder.finalize()
        return self.prefix + vector + encryptor.update(padded) + encryptor.finalize()

    def decrypt(self, value: bytes, key: str) -> bytes:
        start = len(self.prefix)
        try:
            decryptor = BlockCipher(self._algorithm, CBC(value[start : start + _BLOCK])).decryptor()
            padded = decryptor.update(value[start + _BLOCK :]) + decryptor.finalize()
            unpadder = PKCS7(_BLOCK * 8).unpadder()
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            raise DecryptionError("it was made with another key or has been changed") from None


class SecretBoxCipher:
    """XSalsa20 and Poly1305: authenticated.  The nonce comes first."""

    def __init__(self, name: str, secret: bytes) -> None:
        from nacl.exceptions import CryptoError
        from nacl.secret import SecretBox

        self.prefix = _prefix("secretbox", name)
        self._box = SecretBox(secret)
        self._error = CryptoError

    def encrypt(self, value: bytes, key: str) -> bytes:
        return self.prefix + bytes(self._box.encrypt(value))

    def decrypt(self, value: bytes, key: str) -> bytes:
        try:
            return self._box.decrypt(value[len(self.prefix) :])
        except (self._error, ValueError):
            raise DecryptionError("it was made with another key or has been changed") from None


PROVIDERS: dict[str, tuple[Callable[[str, bytes], Cipher], Sequence[int]]] = {
    "aesgcm": (AESGCMCipher, _AES_KEYS),
    "aescbc": (AESCBCCipher, _AES_KEYS),
    "secretbox": (SecretBoxCipher, (32,)),
}
"""By name: how a cipher is made of a key, and how many bytes keys have."""


def ciphers(provider: str, keys: Sequence[tuple[str, str]]) -> Iterator[Cipher]:
    """The ciphers of a provider's keys, each a name and its secret in base64.  Raises ValueError: which key is wrong,
    never what it is."""
    make, sizes = PROVIDERS[provider]
    if not keys:
        raise ValueError(f"{provider}: at least one key is required")
    seen = set()
    for name, encoded in keys:
        if not name:
            raise ValueError(f"{provider}: a key needs a name")
        if name in seen:
            raise ValueError(f"{provider}: two keys are named {name!r}")
        seen.add(name)
        try:
            secret = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"{provider}: the secret of key {name!r} has to be base64") from None
        if len(secret) not in sizes:
            wanted = " or ".join(map(str, sizes))
            raise ValueError(f"{provider}: the secret of key {name!r} has {len(secret)} bytes and needs {wanted}")
        yield make(name, secret)


def _prefix(provider: str, name: str) -> bytes:
    return ENCRYPTED + f"{provider}:v1:{name}:".encode()


class Transformer:
    """The ciphers of one resource: the first writes, all read."""

    def __init__(self, ciphers: Sequence[Cipher]) -> None:
        self._ciphers = ciphers
        self._writer = ciphers[0]
        self.encrypt = self._writer.encrypt

    def decrypt(self, value: bytes, key: str) -> bytes:
        """Raises DecryptionError."""
        failure = DecryptionError("no key of the encryption configuration is the one it was written with")
        for cipher in self._ciphers:
            if self._is_of(cipher, value):
                try:
                    return cipher.decrypt(value, key)
                except DecryptionError as error:
                    failure = error  # two providers of one kind may have keys of the same name
        raise failure

    def is_stale(self, value: bytes, key: str) -> bool:
        """Whether a stored value should be written anew: with another key, or at all encrypted, or no longer."""
        if not self._is_of(self._writer, value):
            return True
        try:
            self._writer.decrypt(value, key)
        except DecryptionError:
            return True
        return False

    @staticmethod
    def _is_of(cipher: Cipher, value: bytes) -> bool:
        return value.startswith(cipher.prefix) if cipher.prefix else not value.startswith(ENCRYPTED)


UNCONFIGURED = Transformer([Identity()])
"""For what no rule names."""

"""A bootstrap token as its Secret has it."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from datetime import datetime

from api.core_v1 import Secret

NAMESPACE = "kube-system"
TYPE = "bootstrap.kubernetes.io/token"
_NAME = re.compile(r"bootstrap-token-([a-z0-9]{6})")


def value_of(secret: Secret, key: str) -> str:
    """One of its values; "" when it has none that is text."""
    try:
        return b64decode(secret.data.get(key, "")).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def expiration(secret: Secret) -> datetime | None:
    """When it ends; None when never.  Raises ValueError when it says what is no time (RFC 3339)."""
    text = value_of(secret, "expiration")
    if not text:
        return None
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    return time


def has_expired(secret: Secret, now: datetime) -> bool:
    """What cannot be read as a time is over."""
    try:
        end = expiration(secret)
    except ValueError:
        return True
    return end is not None and end <= now


def signing_key(secret: Secret, now: datetime) -> tuple[str, str] | None:
    """The token's public and secret part, if it may sign."""
    name = _NAME.fullmatch(secret.metadata.name)
    identifier, key = value_of(secret, "token-id"), value_of(secret, "token-secret")
    if name is None or name[1] != identifier or not key or has_expired(secret, now):
        return None
    return (identifier, key) if value_of(secret, "usage-bootstrap-signing") == "true" else None

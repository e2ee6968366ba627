"""Why a server could not be reached or trusted, in the words that Kubernetes' clients have from Go's standard library:
people look for them in the web."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

_UNKNOWN_AUTHORITY = frozenset({18, 19, 20, 21})
"""OpenSSL's results for a chain that ends in no certificate that is trusted (X509_V_ERR_…)."""
_NOT_YET_VALID, _EXPIRED, _WRONG_HOST, _WRONG_ADDRESS = 9, 10, 62, 64


def dial_error(error: BaseException, authority: str, server_name: str = "") -> str:
    """`authority` is the HOST:PORT that was dialed; `server_name` what its certificate had to be for.

    `error` is what a library raised; the cause is looked for in the exceptions behind it.
    """
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"tls: failed to verify certificate: x509: {_distrust(cause, server_name)}"
        if isinstance(cause, ssl.SSLError):
            if cause.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
                return "tls: first record does not look like a TLS handshake"
            if cause.reason == "UNEXPECTED_EOF_WHILE_READING":
                return "EOF"
            return f"remote error: tls: {(cause.reason or str(cause)).lower().replace('_', ' ')}"
        if isinstance(cause, socket.gaierror):
            return f"dial tcp: lookup {authority.rpartition(':')[0].strip('[]')}: no such host"
        if isinstance(cause, ConnectionResetError | BrokenPipeError):
            return f"read tcp {authority}: read: connection reset by peer"
        if isinstance(cause, OSError) and cause.errno:
            return f"dial tcp {authority}: connect: {os.strerror(cause.errno).lower()}"
        if isinstance(cause, TimeoutError):
            return f"dial tcp {authority}: i/o timeout"
    return str(error) or type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        if isinstance(cause, BaseExceptionGroup):  # one for each address of a host
            cause = cause.exceptions[0]
        else:
            cause = cause.__cause__ or cause.__context__


def _distrust(error: ssl.SSLCertVerificationError, server_name: str) -> str:
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return "certificate signed by unknown authority"
    if error.verify_code == _WRONG_HOST:
        return f"certificate is not valid for any names, but wanted to match {server_name}"
    if error.verify_code == _WRONG_ADDRESS:
        return f"cannot validate certificate for {server_name} because it doesn't contain any IP SANs"
    if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
        return "certificate has expired or is not yet valid"
    return error.verify_message

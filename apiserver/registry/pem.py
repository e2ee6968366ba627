"""Certificates and requests for them in PEM, as certificate signing requests carry them: base64 around text.

The library that reads them is loaded when there is one to read.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.x509 import ObjectIdentifier

_REQUEST, _CERTIFICATE = b"CERTIFICATE REQUEST", b"CERTIFICATE"
_block = re.compile(rb"(?:^|\n)-----BEGIN ([^\n]*?)-----[ \t\r]*\n(.*?)-----END \1-----", re.DOTALL)


def request_problem(encoded: str) -> str:
    """What is wrong with a certificate request; empty when nothing is."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    der = _request(encoded)
    if der is None:
        return "PEM block type must be CERTIFICATE REQUEST"
    try:
        valid = x509.load_der_x509_csr(der).is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "asn1: structure error: malformed certificate request"
    return "" if valid else "x509: signature verification failure"


def organizations(encoded: str) -> list[str]:
    """The organizations of the subject of a valid request: the groups that its owner would be in."""
    from cryptography.x509.oid import NameOID

    return _subject(encoded, NameOID.ORGANIZATION_NAME)


def common_name(encoded: str) -> str:
    """The common name of the subject of a valid request, the user that its owner would be: of several the last."""
    from cryptography.x509.oid import NameOID

    return (_subject(encoded, NameOID.COMMON_NAME) or [""])[-1]


def _subject(encoded: str, attribute: ObjectIdentifier) -> list[str]:
    from cryptography import x509

    der = _request(encoded)
    assert der is not None, "only valid requests are asked about"
    return [str(name.value) for name in x509.load_der_x509_csr(der).subject.get_attributes_for_oid(attribute)]


def certificates_problem(encoded: str) -> str:
    """What is wrong with signed certificates; empty when nothing is, or when there are none yet."""
    if not encoded:
        return ""
    from cryptography import x509

    found = 0
    for kind, headers, der in _blocks(base64.b64decode(encoded)):
        if kind != _CERTIFICATE:
            return f'only CERTIFICATE PEM blocks are allowed, found "{kind.decode(errors="replace")}"'
        if headers:
            return "no PEM block headers are permitted"
        if not der:
            return "found CERTIFICATE PEM block containing 0 certificates"
        found += 1
        try:
            x509.load_der_x509_certificate(der)
        except ValueError:
            return "x509: malformed certificate"
    return "" if found else "must contain at least one CERTIFICATE PEM block"


def _request(encoded: str) -> bytes | None:
    for kind, _, der in _blocks(base64.b64decode(encoded)):
        return der if kind == _REQUEST else None
    return None


def _blocks(data: bytes) -> Iterator[tuple[bytes, bool, bytes]]:
    """The type of each block (RFC 7468), whether it has headers, and what it holds."""
    for match in _block.finditer(data):
        lines = match[2].split(b"\n")
        headers = any(b":" in line for line in lines)
        body = b"".join(line.strip() for line in lines if b":" not in line)
        try:
            yield match[1], headers, base64.b64decode(body, validate=True)
        except binascii.Error:
            continue  # not a block, then

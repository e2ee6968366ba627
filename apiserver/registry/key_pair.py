"""Whether a certificate and a private key belong together."""

from __future__ import annotations


def complaint_about_key_pair(certificate: bytes, key: bytes) -> str:
    """Why a PEM certificate and key are of no use to a TLS server; empty when they are."""
    if b"-----BEGIN CERTIFICATE-----" not in certificate:
        return "tls: failed to find any PEM data in certificate input"
    if b"-----BEGIN" not in key:
        return "tls: failed to find any PEM data in key input"
    # Imported here: only TLS secrets need it, and it is large.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        return "x509: malformed certificate"
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError):
        return "tls: failed to parse private key"
    if found.public_key() != private.public_key():
        return "tls: private key does not match public key"
    return ""

"""The certificates the kubelet's own HTTPS server needs."""

from __future__ import annotations

import argparse
import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from client.config import ClientConfig


@dataclass(frozen=True)
class ServingFiles:
    """PEM files; clients have to show a certificate of `client_ca`."""

    certificate: Path
    key: Path
    client_ca: Path


def serving_files(
    options: argparse.Namespace, root: Path, config: ClientConfig, names: Sequence[str], ips: Sequence[str]
) -> ServingFiles:
    """The files of the flags; what is not given is taken from the kubeconfig, or made (self-signed)."""
    folder = root / "pki"
    folder.mkdir(mode=0o700, exist_ok=True)
    client_ca = Path(options.client_ca_file) if options.client_ca_file else folder / "client-ca.crt"
    if not options.client_ca_file:
        client_ca.write_bytes(config.ca_data)
    if options.tls_cert_file:
        return ServingFiles(Path(options.tls_cert_file), Path(options.tls_private_key_file), client_ca)
    certificate, key = folder / "kubelet.crt", folder / "kubelet.key"
    if config.client_cert_data:  # made by the cluster's CA to serve as well
        certificate.write_bytes(config.client_cert_data)
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(config.client_key_data)
    elif not certificate.exists() or not key.exists():
        self_signed(certificate, key, names, ips)
    return ServingFiles(certificate, key, client_ca)


def self_signed(certificate: Path, key: Path, names: Sequence[str], ips: Sequence[str]) -> None:
    """Make a key and a certificate that its own key signed, as a kubelet does that was given none."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{names[0]}@kubelet"[:64])])
    alternatives: list[x509.GeneralName] = [x509.DNSName(n) for n in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
    begin = datetime.datetime.fromtimestamp(os.stat(certificate.parent).st_mtime, datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - datetime.timedelta(hours=1))
        .not_valid_after(begin + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(private, hashes.SHA256())
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(private.private_bytes(encoding, form, serialization.NoEncryption()))
    certificate.write_bytes(signed.public_bytes(encoding))

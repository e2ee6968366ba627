"""Where the API server is and who we are: kubeconfig files and the service account of a pod.

The file format is https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/.  Understood are
certificates, keys and tokens, inline or in files; plugins (`exec`, `auth-provider`) are not.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConfigError(Exception):
    """A kubeconfig is missing, unreadable or asks for something unknown.  The text is fit to show to a user."""


@dataclass(frozen=True)
class ClientConfig:
    """Everything needed to reach one API server as one user.

    Certificates and keys are PEM bytes.  `namespace` is the one a user works in by default; the REST
    client itself never fills it in.
    """

    server: str
    ca_data: bytes = b""
    client_cert_data: bytes = b""
    client_key_data: bytes = b""
    token: str = ""
    namespace: str = "default"
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    user: str = ""

    @classmethod
    def in_cluster(cls) -> ClientConfig:
        """The configuration of a program that runs in a pod.  Raises ConfigError outside of one."""
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
        if not host or not port:
            raise ConfigError("not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
        try:
            token = (_ACCOUNT / "token").read_text().strip()
            authority = (_ACCOUNT / "ca.crt").read_bytes()
            namespace = (_ACCOUNT / "namespace").read_text().strip()
        except OSError as error:
            raise ConfigError(f"the service account's files cannot be read: {error}") from error
        host = f"[{host}]" if ":" in host else host
        return cls(f"https://{host}:{port}", authority, token=token, namespace=namespace)


def load_kubeconfig(path: str | os.PathLike[str] | None = None, context: str | None = None) -> ClientConfig:
    """Read a kubeconfig: `path`, else the first file that exists of $KUBECONFIG, else ~/.kube/config.

    `context` overrides the file's current-context.  Relative file names inside are relative to the file.
    Raises ConfigError.
    """
    import yaml

    file = _find(path)
    try:
        document = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"the kubeconfig cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{file} is not a kubeconfig")
    chosen = context or document.get("current-context") or ""
    if not chosen and len(document.get("contexts") or []) == 1:
        chosen = document["contexts"][0]["name"]
    selected = _named(document, "contexts", "context", chosen, file)
    cluster = _named(document, "clusters", "cluster", selected.get("cluster", ""), file)
    user = _named(document, "users", "user", selected["user"], file) if selected.get("user") else {}
    if not cluster.get("server"):
        raise ConfigError(f"{file}: cluster {selected.get('cluster')!r} has no server")
    token = user.get("token", "")
    if not token and user.get("tokenFile"):
        token = _content(user, "token", file, key="tokenFile").decode().strip()
    return ClientConfig(
        server=cluster["server"].rstrip("/"),
        ca_data=_content(cluster, "certificate-authority", file),
        client_cert_data=_content(user, "client-certificate", file),
        client_key_data=_content(user, "client-key", file),
        token=token,
        namespace=selected.get("namespace") or "default",
        insecure_skip_tls_verify=bool(cluster.get("insecure-skip-tls-verify")),
        tls_server_name=cluster.get("tls-server-name", ""),
        user=selected.get("user", ""),
    )


def _find(path: str | os.PathLike[str] | None) -> Path:
    if path is not None:
        return Path(path)
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    candidates = named or [Path.home() / ".kube" / "config"]
    return next((file for file in candidates if file.exists()), candidates[0])


def _named(document: Mapping[str, Any], section: str, kind: str, name: str, file: Path) -> dict[str, Any]:
    for entry in document.get(section) or []:
        if entry.get("name") == name:
            content: dict[str, Any] = entry.get(kind) or {}
            return content
    raise ConfigError(f"{file} has no {kind} {name!r}")


def _content(entry: Mapping[str, Any], name: str, file: Path, key: str = "") -> bytes:
    """PEM bytes given inline as `<name>-data` (which wins) or in the file `<name>`."""
    inline = entry.get(f"{name}-data")
    if inline:
        return base64.b64decode(str(inline))
    other = entry.get(key or name)
    if not other:
        return b""
    try:
        return (file.parent / str(other)).read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: {error}") from error

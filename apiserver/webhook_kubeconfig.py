"""The kubeconfig files that say where a webhook of authentication, authorization or audit is, and who asks it.

https://kubernetes.io/docs/reference/access-authn-authz/webhook/#configuration-file-format
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from apiserver.configuration_file import ConfigurationError
from apiserver.webhook_client import Target


def target_of_kubeconfig(path: Path) -> Target:
    """Where the current context points to, with its credentials.  Raises ConfigurationError."""
    try:
        document = yaml.safe_load(path.read_text())
        context = _named(document, "contexts", "context", document.get("current-context", ""))
        cluster = _named(document, "clusters", "cluster", context.get("cluster", ""))
        user = _named(document, "users", "user", context["user"]) if context.get("user") else {}
        return Target(
            cluster["server"],
            ca_bundle=_content(path, cluster, "certificate-authority"),
            server_name=cluster.get("tls-server-name", ""),
            certificate=_content(path, user, "client-certificate"),
            key=_content(path, user, "client-key"),
            headers=_authorization(path, user),
            verify=not cluster.get("insecure-skip-tls-verify", False),
        )
    except OSError as error:
        raise ConfigurationError(f"cannot read {error.filename or path}: {error.strerror}") from None
    except KeyError as error:
        raise ConfigurationError(f"{path}: there is no {error.args[0]!r}") from None
    except (yaml.YAMLError, ValueError, AttributeError, TypeError) as error:
        raise ConfigurationError(f"{path} is no kubeconfig: {error}") from None


def _named(document: Any, group: str, kind: str, name: str) -> dict[str, Any]:
    """Raises KeyError."""
    for each in document.get(group) or ():
        if each.get("name") == name:
            found: dict[str, Any] = each.get(kind) or {}
            return found
    raise KeyError(f"{kind} {name}".strip())


def _content(path: Path, values: dict[str, Any], name: str) -> bytes:
    """What lies in the file itself, or in another that it names from where it is."""
    if data := values.get(f"{name}-data"):
        return base64.b64decode(data)
    return (path.parent / values[name]).read_bytes() if values.get(name) else b""


def _authorization(path: Path, user: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    token = user.get("token") or ""
    if user.get("tokenFile"):
        token = (path.parent / user["tokenFile"]).read_text().strip()
    if token:
        return (("Authorization", f"Bearer {token}"),)
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        return (("Authorization", f"Basic {base64.b64encode(pair).decode()}"),)
    return ()

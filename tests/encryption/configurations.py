"""Files of encryption configuration, as the tests want them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

KEY_1 = {"name": "key1", "secret": base64.b64encode(b"1" * 32).decode()}
KEY_2 = {"name": "key2", "secret": base64.b64encode(b"2" * 32).decode()}
OTHER_KEY_1 = {"name": "key1", "secret": base64.b64encode(b"3" * 32).decode()}
IDENTITY: dict[str, Any] = {"identity": {}}


def provider(name: str, *keys: dict[str, str]) -> dict[str, Any]:
    return {name: {"keys": list(keys)}}


def write_configuration(path: Path, *providers: dict[str, Any], resources: tuple[str, ...] = ("secrets",)) -> Path:
    """One rule for the resources.  Returns the path."""
    return write_rules(path, {"resources": list(resources), "providers": list(providers)})


def write_rules(path: Path, *rules: dict[str, Any]) -> Path:
    document = {
        "kind": "EncryptionConfiguration",
        "apiVersion": "apiserver.config.k8s.io/v1",
        "resources": list(rules),
    }
    path.write_text(yaml.safe_dump(document))
    return path

"""Kubeconfigs that point to webhooks."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.webhook_server import WebhookServer


def kubeconfig_of(webhook: WebhookServer, path: Path) -> Path:
    """Write the file that tells the API server where a webhook is."""
    cluster = {"server": f"{webhook.url}/review", "certificate-authority-data": webhook.ca_bundle}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "only",
        "contexts": [{"name": "only", "context": {"cluster": "hook", "user": "server"}}],
        "clusters": [{"name": "hook", "cluster": cluster}],
        "users": [{"name": "server", "user": {"token": "let-me-ask"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path

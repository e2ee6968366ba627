"""Puts the audit log together as its flags say."""

from __future__ import annotations

from api.clock import Clock
from apiserver.audit.backend import Backend, Sink
from apiserver.audit.flags import AuditOptions


def start_backend(options: AuditOptions, clock: Clock) -> Backend:
    """Runs on the event loop until it is closed.  Raises ConfigurationError."""
    sinks, close = [], []
    if options.log_path:
        from apiserver.audit.log_file import Log

        file = Log(
            options.log_path, options.log_format, now=clock.now, megabytes=options.log_maxsize,
            backups=options.log_maxbackup, days=options.log_maxage, compress=options.log_compress,
        )  # fmt: skip
        sinks.append(Sink("log", options.log, file.deliver, clock))
        close.append(file.close)
    if options.webhook_config_file is not None:
        from apiserver.audit.webhook import Webhook
        from apiserver.webhook_client import WebhookClient
        from apiserver.webhook_kubeconfig import target_of_kubeconfig

        client = WebhookClient()
        target = target_of_kubeconfig(options.webhook_config_file)
        webhook = Webhook(target, client, clock, options.webhook_initial_backoff)
        sinks.append(Sink("webhook", options.webhook, webhook.deliver, clock))
        close.append(client.aclose)
    return Backend(sinks, clock, close)

"""The flags of the audit log."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

BATCH, BLOCKING, STRICT = "batch", "blocking", "blocking-strict"
MODES = (BATCH, BLOCKING, STRICT)


class SinkOptions(NamedTuple):
    """How events reach one of the sinks.

    mode: batch: later and together; blocking: before the request goes on; blocking-strict: and if it cannot be
        recorded that a request has come, it is refused.
    buffer_size: Events that wait at most; further ones are lost.
    max_size, max_wait: Events in a batch at most, and seconds that one waits to be full.
    throttle, qps, burst: Batches in a second at most, on average and after a pause.
    truncate, max_event_size, max_batch_size: Whether what is larger than so many bytes is cut.
    """

    mode: str
    buffer_size: int
    max_size: int
    max_wait: float
    throttle: bool
    qps: float
    burst: int
    truncate: bool
    max_event_size: int
    max_batch_size: int


class AuditOptions(NamedTuple):
    """maxage is in days, maxsize in megabytes, 0 meaning no limit; a path of `-` is the standard output."""

    policy_file: Path
    log_path: str
    log_format: str
    log_maxage: int
    log_maxbackup: int
    log_maxsize: int
    log_compress: bool
    log: SinkOptions
    webhook_config_file: Path | None
    webhook_initial_backoff: float
    webhook: SinkOptions


def add_flags(
    parser: argparse.ArgumentParser, duration: Callable[[str], float], boolean: Callable[[str], bool]
) -> None:
    """Add them to the command line; `taken_from` reads them off the result."""

    def add(name: str, default: Any, text: str, **more: Any) -> None:
        more.setdefault("type", type(default))
        parser.add_argument(f"--audit-{name}", default=default, help=text, **more)

    switch: dict[str, Any] = {"type": boolean, "nargs": "?", "const": True}
    add("policy-file", None, "Policy: what is recorded of which requests; without it nothing is", type=Path)
    add("log-path", "", "file of the audit log, one event a line; - is the standard output")
    add("log-format", "json", "form of its lines", choices=("json", "legacy"))
    add("log-maxage", 366, "days after which a former log file is deleted")
    add("log-maxbackup", 100, "former log files that are kept")
    add("log-maxsize", 100, "megabytes after which a new log file is begun")
    add("log-compress", False, "compress the former ones", **switch)
    add("log-version", "audit.k8s.io/v1", "of the events", choices=("audit.k8s.io/v1",))
    add("webhook-config-file", None, "kubeconfig of a webhook that gets the events", type=Path)
    add("webhook-initial-backoff", 10.0, "how long to wait before it is tried again", type=duration)
    add("webhook-version", "audit.k8s.io/v1", "of the events", choices=("audit.k8s.io/v1",))
    for sink, mode, size, wait, throttle in (("log", BLOCKING, 1, 0.0, False), ("webhook", BATCH, 400, 30.0, True)):
        add(f"{sink}-mode", mode, "whether requests wait for their events to be written", choices=MODES)
        add(f"{sink}-batch-buffer-size", 10_000, "events that wait at most, in batch mode")
        add(f"{sink}-batch-max-size", size, "events in a batch")
        add(f"{sink}-batch-max-wait", wait, "how long a batch waits to be full", type=duration)
        add(f"{sink}-batch-throttle-enable", throttle, "whether batches are limited", **switch)
        add(f"{sink}-batch-throttle-qps", 10.0, "batches in a second")
        add(f"{sink}-batch-throttle-burst", 15, "batches at once after a pause")
        add(f"{sink}-truncate-enabled", False, "whether large events are cut", **switch)
        add(f"{sink}-truncate-max-event-size", 100 * 1024, "bytes of an event")
        add(f"{sink}-truncate-max-batch-size", 10 * 1024 * 1024, "bytes of a batch")


def taken_from(given: dict[str, Any], parser: argparse.ArgumentParser) -> AuditOptions | None:
    """Take these flags' values out of those of all; None when nothing is to be recorded.  Exits with a message when
    they do not go together."""
    values = {name[len("audit_") :]: given.pop(name) for name in list(given) if name.startswith("audit_")}
    log, webhook = _sink("log", values, parser), _sink("webhook", values, parser)
    if values["policy_file"] is None or not (values["log_path"] or values["webhook_config_file"]):
        return None
    del values["log_version"], values["webhook_version"]
    return AuditOptions(log=log, webhook=webhook, **values)


def _sink(name: str, values: dict[str, Any], parser: argparse.ArgumentParser) -> SinkOptions:
    def take(flag: str) -> Any:
        return values.pop(f"{name}_{flag}")

    options = SinkOptions(
        take("mode"), take("batch_buffer_size"), take("batch_max_size"), take("batch_max_wait"),
        take("batch_throttle_enable"), take("batch_throttle_qps"), take("batch_throttle_burst"),
        take("truncate_enabled"), take("truncate_max_event_size"), take("truncate_max_batch_size"),
    )  # fmt: skip
    limits = {"buffer-size": options.buffer_size, "max-size": options.max_size, "throttle-qps": options.qps,
              "throttle-burst": options.burst}  # fmt: skip
    for flag, value in limits.items():
        if options.mode == BATCH and value <= 0:
            parser.error(f"--audit-{name}-batch-{flag} has to be positive")
    if not 0 < options.max_event_size <= options.max_batch_size:
        parser.error(f"--audit-{name}-truncate-max-event-size has to be positive, and at most the size of a batch")
    return options

"""Log lines on stderr, as text or JSON (https://kubernetes.io/docs/concepts/cluster-administration/system-logs/)."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson


class TextFormat(logging.Formatter):
    """`I0102 15:04:05.000000 component file.py:12] message`: severity letter, date and time in UTC, place."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        stamp = datetime.fromtimestamp(record.created, UTC).strftime("%m%d %H:%M:%S.%f")
        text = (
            f"{record.levelname[0]}{stamp} {self._component} {record.filename}:{record.lineno}] {record.getMessage()}"
        )
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JSONFormat(logging.Formatter):
    """One JSON object a line: `ts` in milliseconds, `caller`, `msg`, `v` (0 or 4), `err` with an exception."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": round(record.created * 1000, 3),
            "caller": f"{record.filename}:{record.lineno}",
            "component": self._component,
            "severity": record.levelname.lower(),
            "msg": record.getMessage(),
            "v": 4 if record.levelno < logging.INFO else 0,
        }
        if record.exc_info:
            line["err"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def set_up_logging(component: str, verbosity: int = 0, form: str = "text") -> None:
    """Send this process's logs to stderr.  `verbosity` as Kubernetes' -v: from 4 on, debugging too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormat(component) if form == "json" else TextFormat(component))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.DEBUG if verbosity >= 4 else logging.INFO)
    for noisy in ("httpx", "httpcore", "asyncio", "uvicorn.error", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING if verbosity < 9 else logging.DEBUG)

"""A small operator on kopf that has a say in writes: run with `kopf run`, by the tests of kopf.

It looks at ConfigMaps with the label `guarded`.  Its webhook server has a certificate of its own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import kopf

GUARDED = {"guarded": kopf.PRESENT}


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    certificates = Path(os.environ["KOPF_CERTIFICATES"])
    settings.admission.managed = os.environ["KOPF_CONFIGURATION"]
    settings.admission.server = kopf.WebhookServer(
        addr="127.0.0.1",
        certfile=certificates / "webhook.crt",
        pkeyfile=certificates / "webhook.key",
        cafile=certificates / "ca.crt",
    )


@kopf.on.validate("configmaps", labels=GUARDED, operations=["CREATE", "UPDATE"])
def judge(body: kopf.Body, warnings: list[str], userinfo: dict[str, Any], dryrun: bool, **_: Any) -> None:
    data = body.get("data", {})
    if data.get("size") == "huge":
        raise kopf.AdmissionError(f"too large for {userinfo['username']}", code=413)
    if data.get("size") == "large":
        warnings.append("this is rather large")
    if dryrun:
        warnings.append("only asked")


@kopf.on.validate("configmaps", labels=GUARDED, operations=["DELETE"])
def keep(body: kopf.Body, **_: Any) -> None:
    if body.get("data", {}).get("keep") == "yes":
        raise kopf.AdmissionError("it is to be kept")


@kopf.on.mutate("configmaps", labels=GUARDED, operations=["CREATE"])
def fill_in(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    if "size" not in body.get("data", {}):
        patch["data"] = {"size": "small"}
    patch.metadata.labels["seen"] = "yes"

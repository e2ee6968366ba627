"""Deletes tokens in Secrets that were made for service accounts automatically, and that nobody has used for a year.

First the Secret is labelled, from which on its token is not accepted; after as long again it is deleted.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#legacy-serviceaccount-token-cleaner
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from api.core_v1 import ConfigMap, Pod, Secret, ServiceAccount
from api.errors import Conflict, NotFound
from api.meta_v1 import PartialObjectMetadata
from api.scheme import resource_of
from client.controller import Controller, Key, Watches, nothing
from controller_manager.service_account_token import ACCOUNT, ACCOUNT_UID, TYPE, account_of

LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
TRACKING = "kube-apiserver-legacy-service-account-token-tracking"
_PERIOD = 24 * 3600.0
_ROUND = "round"


class LegacyTokenCleanerController(Controller):
    name = "legacy-serviceaccount-token-cleaner-controller"
    workers = 1

    def __init__(self, *common: Any, clean_up_period: float) -> None:
        """`clean_up_period`: seconds that a token must be unused."""
        self._unused = timedelta(seconds=clean_up_period)
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.secrets = watch(Secret, enqueue=nothing, field_selector=f"type={TYPE}")
        self.accounts = watch(ServiceAccount, enqueue=nothing)
        self.pods = watch(Pod, enqueue=nothing)
        self.queue.add(_ROUND)

    async def reconcile(self, key: Key) -> None:
        self.queue.add_after(key, _PERIOD)
        now = self.clock.now()
        since = await self._tracked_since()
        if since is None or now < since + self._unused:
            return
        for secret in self.secrets.list():
            if is_unused(secret, now - self._unused) and self._was_generated(secret) and not self._is_mounted(secret):
                await self._retire(secret, now)

    async def _tracked_since(self) -> datetime | None:
        """The first day on which every use was noted."""
        try:
            tracking = await self.client.get(ConfigMap, TRACKING, "kube-system")
            first = date.fromisoformat(tracking.data.get("since", ""))
        except (NotFound, ValueError):
            return None
        return datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(days=1)

    def _was_generated(self, secret: Secret) -> bool:
        """Only those made automatically are listed in their service account."""
        account = self.accounts.get(account_of(secret))
        uid = secret.metadata.annotations.get(ACCOUNT_UID, "")
        if account is None or not secret.metadata.annotations.get(ACCOUNT) or uid not in ("", account.metadata.uid):
            return False
        return any(each.name == secret.metadata.name for each in account.secrets)

    def _is_mounted(self, secret: Secret) -> bool:
        meta = secret.metadata
        return any(meta.name in secrets_of(pod) for pod in self.pods.in_namespace(meta.namespace))

    async def _retire(self, secret: Secret, now: datetime) -> None:
        meta = secret.metadata
        invalid = day_of(meta.labels.get(INVALID_SINCE, ""))
        try:
            if invalid is None:
                body = {"metadata": {"uid": meta.uid, "labels": {INVALID_SINCE: f"{now.astimezone(UTC):%Y-%m-%d}"}}}
                await self.client.patch(
                    PartialObjectMetadata, meta.name, meta.namespace, body, resource=resource_of(Secret)
                )
            elif invalid < (now - self._unused).astimezone(UTC).date():
                await self.client.delete(Secret, meta.name, meta.namespace, resource_version=meta.resourceVersion)
        except (NotFound, Conflict):
            return  # somebody uses it after all, or took it away


def day_of(text: str) -> date | None:
    """None for what is no day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def is_unused(secret: Secret, since: datetime) -> bool:
    """Whether a token is from before that time and has not been used after it, as far as is known."""
    meta = secret.metadata
    if meta.deletionTimestamp is not None or meta.creationTimestamp is None or meta.creationTimestamp >= since:
        return False
    if LAST_USED not in meta.labels:
        return True
    used = day_of(meta.labels[LAST_USED])
    return used is not None and used < since.astimezone(UTC).date()


def secrets_of(pod: Pod) -> Iterator[str]:
    """Names of the Secrets that a pod refers to."""
    document = pod.spec.to_dict()
    yield from (each["name"] for each in document.get("imagePullSecrets") or () if each.get("name"))
    containers = [c for kind in ("containers", "initContainers", "ephemeralContainers") for c in document.get(kind, ())]
    for container in containers:
        for each in container.get("envFrom") or ():
            if "secretRef" in each:
                yield each["secretRef"].get("name", "")
        for each in container.get("env") or ():
            if reference := (each.get("valueFrom") or {}).get("secretKeyRef"):
                yield reference.get("name", "")
    for volume in document.get("volumes") or ():
        yield from _volume_secrets(volume)


def _volume_secrets(volume: dict[str, Any]) -> Iterator[str]:
    for source in volume.values():
        if not isinstance(source, dict):
            continue
        if "secretName" in source:
            yield source["secretName"]
        for name in ("secretRef", "nodePublishSecretRef"):
            if isinstance(source.get(name), dict):
                yield source[name].get("name", "")
        for projection in source.get("sources") or ():
            if "secret" in projection:
                yield projection["secret"].get("name", "")

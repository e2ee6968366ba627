"""ResourceQuota: nothing is made that would take a namespace beyond its quotas.

What an object uses is written into the quotas before the object is stored, on the condition that they have not
changed since they were looked at: however many ask at once, no quota is exceeded.  A controller puts right what was
counted for an object that came to nothing in the end.

https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

from api.errors import NotFound
from api.quantity import add, parse
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.request import User

if TYPE_CHECKING:
    from api import core_v1
    from apiserver.admission.limited_resources import Limited
    from apiserver.endpoint import API

_SELF = User("system:apiserver", groups=("system:masters",))
_IGNORED = frozenset({"events", "events.events.k8s.io"})
_WITH_UPDATES = frozenset(
    {("services", ""), ("persistentvolumeclaims", ""), ("resourceclaims.resource.k8s.io", ""), ("pods", "resize")}
)


class ResourceQuota(AdmissionPlugin):
    name = "ResourceQuota"
    reserves = True

    def __init__(self, limits: Sequence[Limited] = ()) -> None:
        """`limits`: what nobody gets without a quota."""
        self._limits = limits
        # Those who would only stand in each other's way wait for each other.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def configured(cls, configuration: Mapping[str, Any] | None) -> Self:
        if configuration is None:
            return cls()
        from apiserver.admission.limited_resources import parse

        return cls(parse(configuration))

    async def reserve(self, request: AdmissionRequest, api: API) -> None:
        subject = (request.resource.group_resource, request.subresource)
        created = request.operation == "CREATE" and not request.subresource
        updated = request.operation == "UPDATE" and subject in _WITH_UPDATES
        if not request.namespace or subject[0] in _IGNORED or not (created or updated):
            return
        from api.core_v1 import ResourceQuota  # few namespaces have one

        if not self._limits and not request.context.peek_all(ResourceQuota, request.namespace):
            return
        turn = self._turns.setdefault(request.namespace, asyncio.Lock())
        async with turn:
            quotas = request.context.list(ResourceQuota, request.namespace)
            await _charge(request, api, quotas, self._limits)


async def _charge(
    request: AdmissionRequest, api: API, quotas: list[core_v1.ResourceQuota], limits: Sequence[Limited]
) -> None:
    """Raises Forbidden, having changed nothing, where a quota does not allow it."""
    from api.quota_usage import applies, increase, is_tracked, unsaid, usage_of

    resource, obj = request.resource.group_resource, request.object
    concerned = [quota for quota in quotas if applies(quota, resource, obj)]
    for quota in concerned:
        names = [name for name in quota.status.hard if is_tracked(resource, name)]
        flaw = unsaid(obj, names) if resource == "pods" else ""
        if flaw:
            raise request.forbidden(f"failed quota: {quota.metadata.name}: {flaw}")
        if not set(names) <= quota.status.used.keys():
            shown = ",".join(sorted(names))
            raise request.forbidden(f"status unknown for quota: {quota.metadata.name}, resources: {shown}")
    before = usage_of(resource, request.old_object) if request.operation == "UPDATE" else {}
    usage = usage_of(resource, obj)
    wanted = increase(usage, before)
    if limits and wanted:
        from apiserver.admission.limited_resources import uncovered

        if refusal := uncovered(limits, resource, obj, usage, quotas, concerned):
            raise request.forbidden(refusal)
    for quota in concerned:
        _check(request, quota, wanted)
    if request.dry_run:
        return
    for quota in concerned:
        if wanted.keys() & quota.status.hard.keys():
            with contextlib.suppress(NotFound):  # a quota that is gone by now limits nothing
                await _record(request, api, quota.metadata.name, wanted)


def _check(request: AdmissionRequest, quota: core_v1.ResourceQuota, wanted: Mapping[str, str]) -> None:
    hard, used = quota.status.hard, quota.status.used
    exceeded = [
        name
        for name, amount in sorted(wanted.items())
        if name in hard and parse(used.get(name, "0")) + parse(amount) > parse(hard[name])
    ]
    if exceeded:
        raise request.forbidden(
            f"exceeded quota: {quota.metadata.name}, requested: {_shown(wanted, exceeded)}, "
            f"used: {_shown(used, exceeded)}, limited: {_shown(hard, exceeded)}"
        )


def _shown(amounts: Mapping[str, str], names: Iterable[str]) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in names if name in amounts)


async def _record(request: AdmissionRequest, api: API, name: str, wanted: Mapping[str, str]) -> None:
    """Add to what a quota says is used, if it still allows it."""
    from api.core_v1 import ResourceQuota
    from apiserver.handlers.options import WriteOptions
    from apiserver.handlers.update import update_object
    from apiserver.handlers.write import Write

    def charged(old: Any, _: Any) -> Any:
        _check(request, old, wanted)
        new = old.model_copy()
        new.metadata, new.status = old.metadata.copy_deep(), old.status.copy_deep()
        for what, amount in wanted.items():
            if what in new.status.hard:
                new.status.used[what] = add(new.status.used.get(what, "0"), amount)
        return new

    endpoint = api.endpoint_of(ResourceQuota)
    options = WriteOptions(manager="kube-apiserver")
    await update_object(Write(api, endpoint, _SELF, options, request.namespace, [], "status"), name, charged)

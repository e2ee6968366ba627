"""The way of a write through admission: plugins that change it, webhooks that do; when it is known to be valid, plugins
that may refuse it, webhooks that may, and last who keeps count of what is used.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#admission-control-phases
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiserver.admission.plugin import AdmissionRequest

if TYPE_CHECKING:
    from apiserver.endpoint import API


async def mutate(api: API, request: AdmissionRequest, *, webhooks: bool = True) -> bool:
    """Let everybody change `request.object` who may.  Returns whether somebody outside of the server has changed it.

    Raises StatusError when somebody refuses the write.
    """
    if request.object is not None:
        if request.operation == "CREATE":
            for plugin in api.preparing:
                await plugin.prepare(request, api)
        for change in api.mutating:
            change(request)
    if webhooks and api.dynamic_admission.mutates:
        return await api.dynamic_admission.mutate(request)
    return False


async def admit(api: API, request: AdmissionRequest, *, webhooks: bool = True) -> None:
    """Raises StatusError when somebody refuses the write."""
    for check in api.validating:
        check(request)
    if webhooks and api.dynamic_admission.validates:
        await api.dynamic_admission.validate(request)
    if request.operation in ("CREATE", "UPDATE"):
        for plugin in api.reserving:
            await plugin.reserve(request, api)

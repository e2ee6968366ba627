"""NamespaceAutoProvision: a namespace comes to be with the first object in it.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#namespaceautoprovision
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from api.core_v1 import Namespace
from api.errors import AlreadyExists
from api.meta_v1 import ObjectMeta
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.request import User

if TYPE_CHECKING:
    from apiserver.endpoint import API

_SELF = User("system:apiserver", groups=("system:masters",))


class NamespaceAutoProvision(AdmissionPlugin):
    name = "NamespaceAutoProvision"
    prepares = True

    async def prepare(self, request: AdmissionRequest, api: API) -> None:
        if request.operation != "CREATE" or not request.namespace or request.resource.model is Namespace:
            return
        if request.dry_run or request.context.peek(Namespace, "", request.namespace) is not None:
            return
        from apiserver.handlers.create import create_object
        from apiserver.handlers.options import WriteOptions
        from apiserver.handlers.write import Write

        options = WriteOptions(manager="kube-apiserver")
        write = Write(api, api.endpoint_of(Namespace), _SELF, options, "", [])
        with contextlib.suppress(AlreadyExists):
            await create_object(write, Namespace(metadata=ObjectMeta(name=request.namespace)))

"""NamespaceExists: nothing is changed in a namespace that does not exist.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#namespaceexists
"""

from __future__ import annotations

from api.core_v1 import Namespace
from api.errors import not_found
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest


class NamespaceExists(AdmissionPlugin):
    name = "NamespaceExists"

    def mutate(self, request: AdmissionRequest) -> None:
        """Changes nothing, but comes before what is said about the object."""
        self.validate(request)

    def validate(self, request: AdmissionRequest) -> None:
        if not request.namespace or request.resource.model is Namespace:
            return
        if request.context.peek(Namespace, "", request.namespace) is None:
            raise not_found("", "namespaces", request.namespace)

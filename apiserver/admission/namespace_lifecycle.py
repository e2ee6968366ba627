"""NamespaceLifecycle: nothing is created in a namespace that does not exist or is being emptied.

Also keeps the namespaces that the cluster itself needs from being deleted.
"""

from __future__ import annotations

from api.core_v1 import Namespace
from api.errors import Forbidden, not_found
from api.meta_v1 import StatusCause, StatusDetails
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

PROTECTED = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle(AdmissionPlugin):
    name = "NamespaceLifecycle"

    def mutate(self, request: AdmissionRequest) -> None:
        """Changes nothing, but comes before plugins that look for other objects in the namespace."""
        # A namespace is emptied by deleting, and controllers may finish what they do: only new objects are refused.
        if request.operation != "CREATE" or not request.namespace:
            return
        namespace = request.context.peek(Namespace, "", request.namespace)
        if namespace is None:
            raise not_found("", "namespaces", request.namespace)
        if namespace.metadata.deletionTimestamp is not None or namespace.status.phase == "Terminating":
            raise _terminating(request)

    def validate(self, request: AdmissionRequest) -> None:
        if request.resource.model is Namespace and request.operation == "DELETE" and request.name in PROTECTED:
            raise request.forbidden("this namespace may not be deleted")


def _terminating(request: AdmissionRequest) -> Forbidden:
    why = f"unable to create new content in namespace {request.namespace} because it is being terminated"
    refusal = request.forbidden(why)
    cause = StatusCause(
        reason="NamespaceTerminating",
        message=f"namespace {request.namespace} is being terminated",
        field="metadata.namespace",
    )
    details = refusal.details or StatusDetails()
    details.causes = [cause]
    return refusal

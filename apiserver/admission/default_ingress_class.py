"""DefaultIngressClass: an ingress that names no class gets the default one, the newest if there are several.

https://kubernetes.io/docs/concepts/services-networking/ingress/#default-ingress-class
"""

from __future__ import annotations

from datetime import UTC, datetime

from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

_INGRESSES = "ingresses.networking.k8s.io"
_ANNOTATION = "kubernetes.io/ingress.class"
_NEVER = datetime.min.replace(tzinfo=UTC)


class DefaultIngressClass(AdmissionPlugin):
    name = "DefaultIngressClass"

    def mutate(self, request: AdmissionRequest) -> None:
        if request.operation != "CREATE" or request.subresource or request.resource.group_resource != _INGRESSES:
            return
        # A server without ingresses does without their types.
        from api.networking_v1 import IngressClass
        from apiserver.registry.ingress_classes import is_default

        ingress = request.object
        if ingress.spec.ingressClassName is not None or _ANNOTATION in ingress.metadata.annotations:
            return
        classes = [found.metadata for found in request.context.peek_all(IngressClass, "") if is_default(found)]
        classes.sort(key=lambda metadata: metadata.name)
        newest = max(classes, key=lambda metadata: metadata.creationTimestamp or _NEVER, default=None)
        if newest is not None:
            ingress.spec.ingressClassName = newest.name

"""DefaultIngressClass: an ingress that names no class gets the default one.

https://kubernetes.io/docs/concepts/services-networking/ingress/#default-ingress-class
"""

from __future__ import annotations

from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

_INGRESSES = "ingresses.networking.k8s.io"
_ANNOTATION = "kubernetes.io/ingress.class"
_IS_DEFAULT = "ingressclass.kubernetes.io/is-default-class"


class DefaultIngressClass(AdmissionPlugin):
    name = "DefaultIngressClass"

    def mutate(self, request: AdmissionRequest) -> None:
        if request.operation != "CREATE" or request.subresource or request.resource.group_resource != _INGRESSES:
            return
        from api.networking_v1 import IngressClass  # a server without ingresses does without their types

        ingress = request.object
        if ingress.spec.ingressClassName is not None or _ANNOTATION in ingress.metadata.annotations:
            return
        classes = [
            found.metadata.name
            for found in request.context.list(IngressClass, "")
            if found.metadata.annotations.get(_IS_DEFAULT) == "true"
        ]
        if len(classes) > 1:
            why = f"{len(classes)} default IngressClasses were found, only 1 allowed"
            raise request.forbidden(f"Internal error occurred: {why}")
        if classes:
            ingress.spec.ingressClassName = classes[0]

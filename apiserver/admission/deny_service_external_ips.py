"""DenyServiceExternalIPs: no service takes over addresses that it is not given.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#denyserviceexternalips
"""

from __future__ import annotations

from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest


class DenyServiceExternalIPs(AdmissionPlugin):
    name = "DenyServiceExternalIPs"

    def validate(self, request: AdmissionRequest) -> None:
        if request.resource.group_resource != "services" or request.subresource or request.object is None:
            return
        former = () if request.old_object is None else request.old_object.spec.externalIPs
        if not set(request.object.spec.externalIPs) <= set(former):
            raise request.forbidden("Use of external IPs is denied by admission control")

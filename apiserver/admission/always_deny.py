"""AlwaysDeny: nothing can be changed."""

from __future__ import annotations

from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest


class AlwaysDeny(AdmissionPlugin):
    name = "AlwaysDeny"

    def mutate(self, request: AdmissionRequest) -> None:
        self.validate(request)

    def validate(self, request: AdmissionRequest) -> None:
        raise request.forbidden("admission control is denying all modifications")

"""What admission webhooks answer (admission.k8s.io/v1)."""

from api.meta_v1 import Status
from api.model import Base64, Model


class AdmissionResponse(Model):
    """The answer to one question.

    allowed: Whether the write may go on.
    auditAnnotations: For the audit log, under names that are made the webhook's own.
    patch: What to change in the object: a JSON patch.
    patchType: JSONPatch, where there is a patch.
    status: Why the write is refused.
    uid: The question's.
    warnings: For the client.
    """

    allowed: bool = False
    auditAnnotations: dict[str, str] = {}
    patch: Base64 = ""
    patchType: str | None = None
    status: Status | None = None
    uid: str = ""
    warnings: list[str] = []


class AdmissionReview(Model):
    """A question and its answer.

    response: The answer.
    """

    apiVersion: str = ""
    kind: str = ""
    response: AdmissionResponse | None = None

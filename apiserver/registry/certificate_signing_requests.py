"""Certificate signing requests: asked for by one, approved by another, signed by a third."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from api.certificates_v1 import (
    USAGES,
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
    CertificateSigningRequestStatus,
)
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required, too_long
from api.model import Model
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.human_duration import human_duration
from apiserver.registry.names import Complaints, label, subdomain
from apiserver.registry.pem import certificates_problem, request_problem
from apiserver.registry.strategy import Column, Context, Status, Strategy

_APPROVED, _DENIED, _FAILED = "Approved", "Denied", "Failed"
_LEGACY = "kubernetes.io/legacy-unknown"
_SHORTEST = 600
_LONGEST_DOMAIN, _LONGEST_SIGNER = 253, 571
_CONDITIONS, _CERTIFICATE = "status.conditions", "status.certificate"


@dataclass(frozen=True)
class CertificateStatus(Status):
    """`/status`, where signers put certificates.  Approval is not theirs to give."""

    def stamp(self, new: CertificateSigningRequest, old: CertificateSigningRequest, now: datetime) -> None:
        for condition in new.status.conditions:
            condition.lastUpdateTime = condition.lastUpdateTime or now
            if condition.lastTransitionTime is None:
                former = (c for c in old.status.conditions if (c.type, c.status) == (condition.type, condition.status))
                condition.lastTransitionTime = next((c.lastTransitionTime for c in former), None) or now

    def validate_update(self, new: CertificateSigningRequest, old: CertificateSigningRequest) -> Iterable[FieldError]:
        yield from _validate(new)
        yield from _validate_conditions_kept(new, old)
        for kind in (_APPROVED, _DENIED):
            after, before = _conditions(new, kind), _conditions(old, kind)
            if len(after) > len(before):
                yield forbidden(_CONDITIONS, f'updates may not add a condition of type "{kind}"')
            elif len(after) == len(before) and after != before:
                yield forbidden(_CONDITIONS, f'updates may not modify a condition of type "{kind}"')
        if old.status.certificate and new.status.certificate != old.status.certificate:
            yield forbidden(_CERTIFICATE, "updates may not modify existing certificate content")


@dataclass(frozen=True)
class Approval(CertificateStatus):
    """`/approval`, which writes conditions and nothing else."""

    name: str = "approval"

    def unowned(self, model: type[Model]) -> Mapping[str, Any]:
        return {**(super().unowned(model) or {}), "f:status": {"f:certificate": {}}}

    def prepare_for_update(self, new: CertificateSigningRequest, old: CertificateSigningRequest) -> None:
        super().prepare_for_update(new, old)
        new.status.certificate = old.status.certificate

    def validate_update(self, new: CertificateSigningRequest, old: CertificateSigningRequest) -> Iterable[FieldError]:
        yield from _validate(new)
        yield from _validate_conditions_kept(new, old)


def _duration(request: CertificateSigningRequest) -> str:
    seconds = request.spec.expirationSeconds
    return "<none>" if seconds is None else human_duration(timedelta(seconds=seconds))


def _condition(request: CertificateSigningRequest) -> str:
    kinds = {condition.type for condition in request.status.conditions}
    shown = _DENIED if _DENIED in kinds else _APPROVED if _APPROVED in kinds else "Pending"
    if _FAILED in kinds:
        shown += ",Failed"
    return shown + ",Issued" if request.status.certificate else shown


class CertificateSigningRequests(Strategy[CertificateSigningRequest]):
    resource = resource_of(CertificateSigningRequest)
    tracks_owners = False  # Kubernetes' server shows none for these either
    subresources = (CertificateStatus(), Approval())
    columns = (
        NAME,
        AGE,
        Column("SignerName", lambda r, now: r.spec.signerName or "<none>", description="Who is to sign it."),
        Column("Requestor", lambda r, now: r.spec.username, description="Who asked."),
        Column("RequestedDuration", lambda r, now: _duration(r), description="How long it should be valid."),
        Column("Condition", lambda r, now: _condition(r), description="What became of it."),
    )

    def validate_name(self, name: str, prefix: bool = False) -> Complaints:
        return ()

    def prepare_for_create(self, new: CertificateSigningRequest, context: Context) -> None:
        if context.requester is not None:
            # Signers rely on it: nobody can say that they were somebody else.
            user = context.requester.user
            new.spec.username, new.spec.uid, new.spec.groups = user.name, user.uid, list(user.groups)
            new.spec.extra = {key: list(values) for key, values in user.extra.items()}
        new.status = CertificateSigningRequestStatus()

    def prepare_for_update(
        self, new: CertificateSigningRequest, old: CertificateSigningRequest, context: Context
    ) -> None:
        new.spec, new.status = old.spec, old.status

    def validate(self, new: CertificateSigningRequest) -> Iterator[FieldError]:
        yield from _validate(new)

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        return {"spec.signerName": (document.get("spec") or {}).get("signerName", "")}


def _conditions(request: CertificateSigningRequest, kind: str) -> list[CertificateSigningRequestCondition]:
    return [condition for condition in request.status.conditions if condition.type == kind]


def _validate(request: CertificateSigningRequest) -> Iterator[FieldError]:
    spec = request.spec
    problem = request_problem(spec.request)
    if problem:
        yield invalid_value("spec.request", spec.request, problem)
    if not spec.usages:
        yield required("spec.usages")
    for index, usage in enumerate(spec.usages):
        if usage not in USAGES:
            yield not_supported(f"spec.usages[{index}]", usage, USAGES)
    for index, usage in enumerate(spec.usages):
        if usage in spec.usages[:index]:
            yield duplicate(f"spec.usages[{index}]", usage)
    if spec.signerName == _LEGACY:
        yield invalid_value("spec.signerName", _LEGACY, "the legacy signerName is not allowed via this API version")
    else:
        yield from _validate_signer(spec.signerName, "spec.signerName")
    if spec.expirationSeconds is not None and spec.expirationSeconds < _SHORTEST:
        detail = "may not specify a duration less than 600 seconds (10 minutes)"
        yield invalid_value("spec.expirationSeconds", spec.expirationSeconds, detail)
    yield from _validate_conditions(request.status.conditions)
    problem = certificates_problem(request.status.certificate)
    if problem:
        yield invalid_value(_CERTIFICATE, "<certificate data>", problem)


def _validate_signer(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    domain, slash, last = name.partition("/")
    if not slash or "/" in last:
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield invalid_value(path, name, detail)
        return
    if len(domain) > _LONGEST_DOMAIN:
        yield too_long(path, _LONGEST_DOMAIN)
    labels = domain.split(".")
    yield from _first_complaints(labels, label, domain, path)
    if len(labels) < 2:
        yield invalid_value(path, domain, "should be a domain with at least two segments separated by dots")
    yield from _first_complaints(last.split("."), subdomain, last, path)
    if len(name) > _LONGEST_SIGNER:
        yield too_long(path, _LONGEST_SIGNER)


def _first_complaints(parts: list[str], check: Any, whole: str, path: str) -> Iterator[FieldError]:
    """About the first part that is wrong: the others would only repeat it."""
    for part in parts:
        complaints = check(part)
        for complaint in complaints:
            yield invalid_value(path, whole, f'validating label "{part}": {complaint}')
        if complaints:
            return


def _validate_conditions(conditions: list[CertificateSigningRequestCondition]) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        path, kind = f"{_CONDITIONS}[{index}]", condition.type
        if not kind:
            yield required(f"{path}.type")
        allowed = ("True",) if kind in (_APPROVED, _DENIED, _FAILED) else ("False", "True", "Unknown")
        if not condition.status:
            yield required(f"{path}.status")
        elif condition.status not in allowed:
            yield not_supported(f"{path}.status", condition.status, allowed)
        if {_APPROVED: _DENIED, _DENIED: _APPROVED}.get(kind) in seen:
            yield invalid_value(_CONDITIONS, kind, "Approved and Denied conditions are mutually exclusive")
        if kind in seen:
            yield duplicate(f"{path}.type", kind)
        seen.add(kind)


def _validate_conditions_kept(new: CertificateSigningRequest, old: CertificateSigningRequest) -> Iterator[FieldError]:
    for kind in (_APPROVED, _DENIED, _FAILED):
        if len(_conditions(new, kind)) < len(_conditions(old, kind)):
            yield forbidden(_CONDITIONS, f'updates may not remove a condition of type "{kind}"')

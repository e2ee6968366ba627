"""Errors of the API: one exception per reason a server can refuse a request with.

Each carries what Kubernetes sends as a `Status` object
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/): the server raises them,
the client raises the same ones again from the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from api.go_floats import go_float
from api.meta_v1 import Status, StatusCause, StatusDetails
from api.quoting import quoted


class StatusError(Exception):
    """An API request was refused.  `code` is the HTTP status, `reason` Kubernetes' word for it."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = ""

    def __init__(self, message: str, details: StatusDetails | None = None, *, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.http_code = code or self.code

    def status(self) -> Status:
        """The body of the answer."""
        return Status(
            kind="Status",
            apiVersion="v1",
            status="Failure",
            message=self.message,
            reason=self.reason,
            details=self.details,
            code=self.http_code,
        )


class BadRequest(StatusError):
    code, reason = 400, "BadRequest"


class Unauthorized(StatusError):
    code, reason = 401, "Unauthorized"


class Forbidden(StatusError):
    code, reason = 403, "Forbidden"


class NotFound(StatusError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(StatusError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(StatusError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(StatusError):
    code, reason = 409, "AlreadyExists"


class Conflict(StatusError):
    code, reason = 409, "Conflict"


class Gone(StatusError):
    code, reason = 410, "Gone"


class Expired(StatusError):
    """A resourceVersion or continue token is too old: list again."""

    code, reason = 410, "Expired"


class RequestEntityTooLarge(StatusError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(StatusError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(StatusError):
    """The object breaks rules of its kind; `details.causes` lists each."""

    code, reason = 422, "Invalid"


class TooManyRequests(StatusError):
    code, reason = 429, "TooManyRequests"


class InternalError(StatusError):
    code, reason = 500, "InternalError"


class ServiceUnavailable(StatusError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(StatusError):
    code, reason = 504, "Timeout"


_BY_REASON: dict[str, type[StatusError]] = {c.reason: c for c in StatusError.__subclasses__()}
_BY_CODE: dict[int, type[StatusError]] = {c.code: c for c in reversed(StatusError.__subclasses__())}


def from_answer(code: int, body: bytes) -> StatusError:
    """The exception for an HTTP answer of 400 or more, whether or not its body is a Status."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict) and document.get("kind") == "Status":
        status = Status.from_dict(document)
        kind = _BY_REASON.get(status.reason) or _BY_CODE.get(code, StatusError)
        return kind(status.message, status.details, code=code)
    text = body.decode(errors="replace").strip()[:500] or f"the server answered {code}"
    return _BY_CODE.get(code, StatusError)(text, code=code)


def from_status(document: Mapping[str, Any]) -> StatusError:
    """The exception for a Status object found elsewhere, as in a watch's ERROR event."""
    return from_answer(int(document.get("code", 500)), orjson.dumps(document))


# --- the usual refusals, worded as Kubernetes words them -------------------------------------------


def not_found(group: str, plural: str, name: str) -> NotFound:
    qualified = f"{plural}.{group}" if group else plural
    return NotFound(f'{qualified} "{name}" not found', StatusDetails(name=name, group=group, kind=plural))


def already_exists(group: str, plural: str, name: str) -> AlreadyExists:
    qualified = f"{plural}.{group}" if group else plural
    return AlreadyExists(f'{qualified} "{name}" already exists', StatusDetails(name=name, group=group, kind=plural))


def conflict(group: str, plural: str, name: str, why: str) -> Conflict:
    qualified = f"{plural}.{group}" if group else plural
    return Conflict(
        f'Operation cannot be fulfilled on {qualified} "{name}": {why}',
        StatusDetails(name=name, group=group, kind=plural),
    )


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def invalid(group: str, kind: str, name: str, errors: Iterable[FieldError]) -> Invalid:
    """All that is wrong with an object, in one answer."""
    found = list(errors)
    text = ", ".join(dict.fromkeys(str(error) for error in found))
    if len(found) > 1 and len(dict.fromkeys(str(error) for error in found)) > 1:
        text = f"[{text}]"
    qualified = f"{kind}.{group}" if group else kind
    causes = [StatusCause(reason=e.type, message=e.body(), field=e.field) for e in found]
    return Invalid(
        f'{qualified} "{name}" is invalid: {text}',
        StatusDetails(name=name, group=group, kind=kind, causes=causes),
    )


def internal_error(why: str) -> InternalError:
    return InternalError(f"Internal error occurred: {why}", StatusDetails(causes=[StatusCause(message=why)]))


# --- what can be wrong with one field ------------------------------------------------------------

_OMITTED: Any = object()


@dataclass(frozen=True, slots=True)
class FieldError:
    """One broken rule.  `field` is a path such as `spec.containers[0].name`."""

    type: str
    field: str
    value: Any = None
    detail: str = ""

    _WORDS: ClassVar[dict[str, str]] = {
        "FieldValueRequired": "Required value",
        "FieldValueInvalid": "Invalid value",
        "FieldValueDuplicate": "Duplicate value",
        "FieldValueNotSupported": "Unsupported value",
        "FieldValueForbidden": "Forbidden",
        "FieldValueNotFound": "Not found",
        "FieldValueTooLong": "Too long",
        "FieldValueTooMany": "Too many",
        "FieldValueTypeInvalid": "Invalid value",
        "InternalError": "Internal error",
    }
    _WITHOUT_VALUE: ClassVar[frozenset[str]] = frozenset(
        {"FieldValueRequired", "FieldValueForbidden", "FieldValueTooLong", "InternalError"}
    )

    def body(self) -> str:
        words = self._WORDS[self.type]
        if self.type not in self._WITHOUT_VALUE and self.value is not _OMITTED:
            words += f": {_shown(self.value)}"
        return f"{words}: {self.detail}" if self.detail else words

    def __str__(self) -> str:
        return f"{self.field}: {self.body()}"


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int | float):
        return go_float(value) if isinstance(value, float) else str(value)
    if hasattr(value, "encode"):
        return str(value.encode().decode())
    return orjson.dumps(value, default=lambda model: model.to_dict()).decode()


def required(field: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", field, "", detail)


def invalid_value(field: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", field, value, detail)


def without_value(field: str, detail: str) -> FieldError:
    """An invalid value that the message does not quote."""
    return FieldError("FieldValueInvalid", field, _OMITTED, detail)


def duplicate(field: str, value: Any, detail: str = "") -> FieldError:
    return FieldError("FieldValueDuplicate", field, value, detail)


def not_supported(field: str, value: Any, supported: Iterable[str]) -> FieldError:
    """`supported` is named in its own order, sets in alphabetical order."""
    choices = sorted(supported) if isinstance(supported, Set) else supported
    shown = ", ".join(map(quoted, choices))
    return FieldError("FieldValueNotSupported", field, value, f"supported values: {shown}" if shown else "")


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, "", detail)


def not_found_value(field: str, value: Any, detail: str = "") -> FieldError:
    return FieldError("FieldValueNotFound", field, value, detail)


def too_long(field: str, limit: int) -> FieldError:
    unit = "byte" if limit == 1 else "bytes"
    return FieldError("FieldValueTooLong", field, "", f"may not be more than {limit} {unit}")


def too_many(field: str, actual: int, limit: int) -> FieldError:
    unit = "item" if limit == 1 else "items"
    return FieldError("FieldValueTooMany", field, actual, f"must have at most {limit} {unit}")

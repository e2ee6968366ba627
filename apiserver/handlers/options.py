"""The parameters of writes: dryRun, fieldManager, fieldValidation, force.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from api.errors import FieldError, forbidden, invalid, not_supported, required
from apiserver.patch.managed_fields import NAME_LIMIT, name_problems
from apiserver.request import Request

_VALIDATIONS = ("", "Ignore", "Strict", "Warn")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to carry out a write.  `manager` is the name its fields are recorded under."""

    dry_run: bool = False
    manager: str = "unknown"
    field_validation: str = "Warn"
    force: bool = False
    said: Mapping[str, str] = field(default_factory=dict)
    """The parameters as the client gave them."""


def default_manager(user_agent: str) -> str:
    """The manager of a client that names none: its User-Agent up to the first slash."""
    return "".join(c for c in user_agent.partition("/")[0] if c.isprintable())[:NAME_LIMIT] or "unknown"


def write_options(request: Request, kind: str, *, apply: bool = False) -> WriteOptions:
    """Read and check the parameters.  `kind` names them in errors: CreateOptions, UpdateOptions, PatchOptions.

    Raises Invalid.
    """
    query = request.query
    dry_run = request.query_list.get("dryRun", []) if "dryRun" in query else []
    manager = query.get("fieldManager", "")
    validation = query.get("fieldValidation", "")
    errors = list(_problems(dry_run, manager, validation, apply, "force" in query, kind))
    if errors:
        raise invalid("meta.k8s.io", kind, "", errors)
    return WriteOptions(
        dry_run="All" in dry_run,
        manager=manager or default_manager(request.header("user-agent")),
        field_validation=validation or "Warn",
        force=request.flag("force"),
        said=query,
    )


def _problems(
    dry_run: list[str], manager: str, validation: str, apply: bool, force: bool, kind: str
) -> Iterator[FieldError]:
    if kind == "PatchOptions":
        if not apply and force:
            yield forbidden("force", "may not be specified for non-apply patch")
        if apply and not manager:
            yield required("fieldManager", "is required for apply patch")
    yield from name_problems("fieldManager", manager)
    if any(value != "All" for value in dry_run):
        yield not_supported("dryRun", dry_run, ["All"])
    if validation not in _VALIDATIONS:
        yield not_supported("fieldValidation", validation, _VALIDATIONS)

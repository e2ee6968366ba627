"""What an admission plugin is: it may change a write, then every plugin may refuse it.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from api.errors import Forbidden
from api.meta_v1 import StatusDetails
from api.scheme import Resource
from apiserver.registry.strategy import Context

if TYPE_CHECKING:
    from api.meta_v1 import DeleteOptions
    from apiserver.endpoint import API
    from apiserver.handlers.options import WriteOptions

    Options = WriteOptions | DeleteOptions


@dataclass(slots=True)
class AdmissionRequest:
    """One write that is asked for.

    `operation` is CREATE, UPDATE, DELETE or CONNECT.  `object` is the new state, which mutating plugins
    change in place; None when deleting.  `old_object` is the present state; None when creating.
    `context` reads other objects from the watch cache.  `warnings` are for the client, `audit_annotations` for the
    audit log.
    """

    operation: str
    resource: Resource
    subresource: str
    namespace: str
    name: str
    object: Any
    old_object: Any
    user: str
    groups: Sequence[str]
    dry_run: bool
    context: Context
    warnings: list[str] = field(default_factory=list)
    audit_annotations: dict[str, str] = field(default_factory=dict)
    options: Options | None = None
    """What the client said of how to do it; None when connecting."""
    managers: list[dict[str, Any]] = field(default_factory=list)
    """The managedFields of the new state, which are not in `object`.  Shared: only to be replaced."""
    old_document: dict[str, Any] | None = None
    """The present state as JSON, with its managedFields and without kind and apiVersion.  Nobody changes it."""
    nameless: bool = False
    """Whether the client names no object: it deletes a collection, or the server draws the name of a new one."""

    def creates(self, group_resource: str) -> bool:
        """Whether it creates an object of this resource, named as in `Resource.group_resource`."""
        return self.operation == "CREATE" and not self.subresource and self.resource.group_resource == group_resource

    def forbidden(self, why: str) -> Forbidden:
        """The refusal that admission plugins answer with."""
        resource = self.resource
        return Forbidden(
            f'{resource.group_resource} "{self.name}" is forbidden: {why}',
            StatusDetails(name=self.name, group=resource.group, kind=resource.plural),
        )


class AdmissionPlugin:
    """The base of plugins: what a plugin does not override, it has no opinion on."""

    name: str
    prepares: ClassVar[bool] = False
    """Whether `prepare` has anything to do."""
    reserves: ClassVar[bool] = False
    """Whether `reserve` has anything to do."""

    @classmethod
    def configured(cls, configuration: Mapping[str, Any] | None) -> Self:
        """The plugin as its part of the configuration file (as JSON, None without one) says.

        Raises `configuration_file.ConfigurationError`.
        """
        return cls()

    async def prepare(self, request: AdmissionRequest, api: API) -> None:
        """Make what a new object needs, before all plugins are asked about it."""

    def mutate(self, request: AdmissionRequest) -> None:
        """Change `request.object`, or raise a StatusError to refuse the write.  Runs before validation."""

    def validate(self, request: AdmissionRequest) -> None:
        """Raise a StatusError to refuse the write; change nothing.  Runs when the object is known to be valid."""

    async def reserve(self, request: AdmissionRequest, api: API) -> None:
        """Set aside what the write uses up, or raise a StatusError to refuse it.  The last to be asked, when every
        other plugin has agreed; not asked about deletions."""

"""CustomResourceDefinitions: resources of kinds that somebody else has thought up.

https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/custom-resources/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.apiextensions_v1 import (
    CustomResourceConversion,
    CustomResourceDefinition,
    CustomResourceDefinitionCondition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec,
    CustomResourceDefinitionStatus,
    CustomResourceDefinitionVersion,
)
from api.errors import FieldError, forbidden, invalid_value, not_supported, required
from api.model import Model, NotGiven
from api.scheme import resource_of
from apiserver.registry.custom_resource_versions import (
    has_status,
    split,
    unknown_formats,
    validate_common,
    validate_version,
    versions_shown,
)
from apiserver.registry.names import dns1035, subdomain
from apiserver.registry.strategy import Context, Status, Strategy
from apiserver.registry.webhook_clients import default_client, validate_client, validate_review_versions

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that keeps a definition until its objects are gone."""
_SCOPES = ("Cluster", "Namespaced")
_CONVERSIONS = ("None", "Webhook")
APPROVAL = "api-approved.kubernetes.io"
APPROVAL_RULES = "see https://github.com/kubernetes/enhancements/pull/1111"
_PROTECTED = (".k8s.io", ".kubernetes.io")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]")
_IMMUTABLE = "field is immutable"


@dataclass(frozen=True)
class DefinitionStatusUpdate(Status):
    """`/status` of CustomResourceDefinitions: what of it is served.  Metadata is written, but nobody owns it."""

    def unowned(self, model: type[Model]) -> Mapping[str, Any]:
        return {**(super().unowned(model) or {}), "f:metadata": {}}

    def validate_update(self, new: CustomResourceDefinition, old: CustomResourceDefinition) -> Iterable[FieldError]:
        yield from _validate_names(new.status.acceptedNames, "status.acceptedNames")


class CustomResourceDefinitions(Strategy[CustomResourceDefinition]):
    resource = resource_of(CustomResourceDefinition)
    known_finalizers = False
    unconditional_update = False
    subresources = (DefinitionStatusUpdate(),)

    def default(self, obj: CustomResourceDefinition) -> None:
        spec, names = obj.spec, obj.spec.names
        if not names.singular:
            names.singular = names.kind.lower()
        if not names.listKind and names.kind:
            names.listKind = f"{names.kind}List"
        if spec.conversion is None:
            spec.conversion = CustomResourceConversion(strategy="None")
        webhook = spec.conversion.webhook
        if webhook is not None and webhook.clientConfig is None and not webhook.conversionReviewVersions:
            webhook = spec.conversion.webhook = None  # the internal form does not know that it was there
        if webhook is not None and webhook.clientConfig is not None:
            default_client(webhook.clientConfig)

    def prepare_for_create(self, new: CustomResourceDefinition, context: Context) -> None:
        new.status = CustomResourceDefinitionStatus(conditions=[], storedVersions=_storage_versions(new)[:1])
        new.metadata.generation = 1

    def prepare_for_update(
        self, new: CustomResourceDefinition, old: CustomResourceDefinition, context: Context
    ) -> None:
        new.status = old.status
        stored = old.status.storedVersions
        added = [name for name in _storage_versions(new)[:1] if name not in stored]
        if added:
            new.status = old.status.model_copy(update={"storedVersions": [*stored, *added]})
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: CustomResourceDefinition) -> Iterator[FieldError]:
        wanted = f"{new.spec.names.plural}.{new.spec.group}"
        if new.metadata.name and new.metadata.name != wanted:
            yield invalid_value("metadata.name", new.metadata.name, 'must be spec.names.plural+"."+spec.group')
        yield from _validate_spec(new.spec)
        yield from _validate_status(new)

    def validate_changed(self, new: CustomResourceDefinition, old: CustomResourceDefinition) -> Iterator[FieldError]:
        yield from _validate_spec(new.spec)
        spec, before = new.spec, old.spec
        established = any(c.type == "Established" and c.status == "True" for c in old.status.conditions)
        for field, value, was, always in (
            ("scope", spec.scope, before.scope, False),
            ("names.kind", spec.names.kind, before.names.kind, False),
            ("group", spec.group, before.group, True),
            ("names.plural", spec.names.plural, before.names.plural, True),
        ):
            if value != was and (always or established):
                yield invalid_value(f"spec.{field}", value, _IMMUTABLE)
        yield from _validate_status(new, old)

    def pending_finalizers(self, obj: CustomResourceDefinition) -> list[str]:
        """What it defines must go before a definition does."""
        return [CLEANUP] if obj.metadata.deletionTimestamp is None else []

    def prepare_for_delete(self, obj: CustomResourceDefinition) -> None:
        metadata, conditions = obj.metadata, obj.status.conditions
        if any(condition.type == "Terminating" for condition in conditions):
            return
        # Kubernetes stamps definitions itself, with no regard to grace periods and generations.
        metadata.deletionGracePeriodSeconds = None
        metadata.generation -= 1
        if CLEANUP not in metadata.finalizers:
            metadata.finalizers = [*metadata.finalizers, CLEANUP]
        conditions.append(
            CustomResourceDefinitionCondition(
                type="Terminating",
                status="True",
                lastTransitionTime=metadata.deletionTimestamp,
                reason="InstanceDeletionPending",
                message="CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
            )
        )

    def warnings(self, new: CustomResourceDefinition, old: CustomResourceDefinition | None) -> Iterable[str]:
        known = set() if old is None else _unknown_formats(old)
        return [f'unrecognized format "{name}"' for name in sorted(_unknown_formats(new) - known)]


def _storage_versions(definition: CustomResourceDefinition) -> list[str]:
    return [version.name for version in definition.spec.versions if version.storage]


def _unknown_formats(definition: CustomResourceDefinition) -> set[str]:
    schemas = (version.schema_.openAPIV3Schema for version in definition.spec.versions if version.schema_ is not None)
    return set().union(*(unknown_formats(schema) for schema in schemas if schema is not None))


def _validate_spec(spec: CustomResourceDefinitionSpec) -> Iterator[FieldError]:
    if not spec.group:
        yield required("spec.group")
    elif complaints := subdomain(spec.group):
        yield invalid_value("spec.group", spec.group, ",".join(complaints))
    elif "." not in spec.group:
        yield invalid_value("spec.group", spec.group, "should be a domain with at least one dot")
    if not spec.scope:
        yield required("spec.scope")
    elif spec.scope not in _SCOPES:
        yield not_supported("spec.scope", spec.scope, _SCOPES)
    yield from _validate_versions(spec)
    for field in ("plural", "singular", "kind", "listKind"):
        if not getattr(spec.names, field):
            yield required(f"spec.names.{field}")
    yield from _validate_names(spec.names, "spec.names")
    common, versions = split(spec.versions)
    yield from validate_common(common, any(has_status(version) for version in (common, *versions)), "spec")
    if spec.conversion is not None:
        yield from _validate_conversion(spec.conversion, "spec.conversion")


def _validate_versions(spec: CustomResourceDefinitionSpec) -> Iterator[FieldError]:
    common, versions = split(spec.versions)
    for index, version in enumerate(spec.versions):
        if version.schema_ is None or version.schema_.openAPIV3Schema is None:
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema")
    for index, version in enumerate(versions):
        yield from _validate_label(version.name, f"spec.versions[{index}].name")
        yield from validate_version(version, common, f"spec.versions[{index}]")
    names = [version.name for version in versions]
    if len(names) > len(set(names)):
        yield invalid_value("spec.versions", versions_shown(versions), "must contain unique version names")
    if sum(version.storage for version in versions) != 1:
        shown = None if isinstance(spec.versions, NotGiven) else versions_shown(versions)
        yield invalid_value("spec.versions", shown, "must have exactly one version marked as storage version")
    if names and names[0]:
        yield from _validate_label(names[0], "spec.version")


def _validate_label(text: str, path: str) -> Iterator[FieldError]:
    if complaints := dns1035(text):
        yield invalid_value(path, text, ",".join(complaints))


def _validate_names(names: CustomResourceDefinitionNames, path: str) -> Iterator[FieldError]:
    for field in ("plural", "singular"):
        if name := getattr(names, field):
            yield from _validate_label(name, f"{path}.{field}")
    for field in ("kind", "listKind"):
        name = getattr(names, field)
        if name and (complaints := dns1035(name.lower())):
            why = f"may have mixed case, but should otherwise match: {','.join(complaints)}"
            yield invalid_value(f"{path}.{field}", name, why)
    for index, name in enumerate(names.shortNames):
        yield from _validate_label(name, f"{path}.shortNames[{index}]")
    if names.kind and names.kind == names.listKind:
        yield invalid_value(f"{path}.listKind", names.listKind, "kind and listKind may not be the same")
    for index, name in enumerate(names.categories):
        yield from _validate_label(name, f"{path}.categories[{index}]")


def _validate_conversion(conversion: CustomResourceConversion, path: str) -> Iterator[FieldError]:
    # The internal form has no `webhook`: what is in it comes right below the conversion.
    client_path, versions_path = f"{path}.webhookClientConfig", f"{path}.conversionReviewVersions"
    webhook = conversion.webhook
    client = None if webhook is None else webhook.clientConfig
    versions = [] if webhook is None else webhook.conversionReviewVersions
    if not conversion.strategy:
        yield required(f"{path}.strategy")
    elif conversion.strategy not in _CONVERSIONS:
        yield not_supported(f"{path}.strategy", conversion.strategy, _CONVERSIONS)
    if conversion.strategy == "Webhook":
        if client is None:
            yield required(client_path, "required when strategy is set to Webhook")
        else:
            yield from validate_client(client, client_path)
        yield from validate_review_versions(versions, versions_path, "", known=True)
        return
    why = "should not be set when strategy is not set to Webhook"
    if client is not None:
        yield forbidden(client_path, why)
    if versions:
        yield forbidden(versions_path, why)


def _validate_status(
    new: CustomResourceDefinition, old: CustomResourceDefinition | None = None
) -> Iterator[FieldError]:
    yield from _validate_names(new.status.acceptedNames, "status.acceptedNames")
    yield from _validate_stored_versions(new.status.storedVersions, new.spec.versions, "status.storedVersions")
    yield from _validate_approval(new, old)
    if new.spec.preserveUnknownFields and not (old is not None and old.spec.preserveUnknownFields):
        yield invalid_value(
            "spec.preserveUnknownFields",
            True,
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        )


def _validate_stored_versions(
    stored: list[str], versions: list[CustomResourceDefinitionVersion], path: str
) -> Iterator[FieldError]:
    if not stored:
        yield invalid_value(path, None, "must have at least one stored version")
        return
    for version in versions:
        if version.storage and version.name not in stored:
            yield invalid_value(path, list(stored), f"must have the storage version {version.name}")
    names = {version.name for version in versions}
    for index, name in enumerate(stored):
        if name not in names:
            yield invalid_value(
                f"{path}[{index}]",
                name,
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions",
            )


def _validate_approval(new: CustomResourceDefinition, old: CustomResourceDefinition | None) -> Iterator[FieldError]:
    """Groups of Kubernetes' own domains need somebody's approval (KEP-1111)."""
    if not is_protected(new.spec.group):
        return
    where, given = f"metadata.annotations[{APPROVAL}]", _approval(new)
    if old is not None and _is_approved(_approval(old)) == _is_approved(given):
        return  # what was let in once stays
    rule = f'protected groups must have approval annotation "{APPROVAL}"'
    if not given:
        yield required(where, f"{rule}, {APPROVAL_RULES}")
    elif not _is_approved(given):
        why = f'{rule} with either a URL or a reason starting with "unapproved", {APPROVAL_RULES}'
        yield invalid_value(where, given, why)


def is_protected(group: str) -> bool:
    """Whether a group is in one of Kubernetes' own domains."""
    return group.endswith(_PROTECTED) or group in ("k8s.io", "kubernetes.io")


def _approval(definition: CustomResourceDefinition) -> str:
    return (definition.metadata.annotations or {}).get(APPROVAL, "")


def _is_approved(approval: str) -> bool | None:
    """None: nothing is said."""
    return None if not approval else approval.startswith("unapproved") or bool(_URL.match(approval))

"""CSIDrivers: how the CSI drivers of the cluster want to be used."""

from __future__ import annotations

from collections.abc import Iterator

from api.errors import FieldError, duplicate, invalid_value, not_supported
from api.scheme import resource_of
from api.storage_v1 import CSIDriver, CSIDriverSpec, TokenRequest
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.strategy import Column, Context, Strategy

_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_MODES = ("Persistent", "Ephemeral")
_SHORTEST, _LONGEST = 600, 2**32


class CSIDrivers(Strategy[CSIDriver]):
    resource = resource_of(CSIDriver)
    unconditional_update = False
    returns_deleted = True
    revalidates_metadata = False
    columns = (
        NAME,
        Column(
            "AttachRequired",
            lambda d, now: d.spec.attachRequired is not False,
            type="boolean",
            description="Whether volumes are attached before they are mounted.",
        ),
        Column(
            "PodInfoOnMount",
            lambda d, now: bool(d.spec.podInfoOnMount),
            type="boolean",
            description="Whether it is told about the pod.",
        ),
        Column(
            "StorageCapacity",
            lambda d, now: bool(d.spec.storageCapacity),
            type="boolean",
            description="Whether it says how much storage is left.",
        ),
        Column(
            "TokenRequests",
            lambda d, now: ",".join(each.audience for each in d.spec.tokenRequests) or "<unset>",
            description="Tokens of the pod that it wants.",
        ),
        Column(
            "RequiresRepublish",
            lambda d, now: bool(d.spec.requiresRepublish),
            type="boolean",
            description="Whether it is asked to mount again from time to time.",
        ),
        Column(
            "Modes",
            lambda d, now: ",".join(d.spec.volumeLifecycleModes) or "<none>",
            description="Persistent, Ephemeral or both.",
        ),
        AGE,
    )

    def default(self, obj: CSIDriver) -> None:
        spec = obj.spec
        if spec.attachRequired is None:
            spec.attachRequired = True
        for field in ("podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"):
            if getattr(spec, field) is None:
                setattr(spec, field, False)
        if spec.fsGroupPolicy is None:
            spec.fsGroupPolicy = "ReadWriteOnceWithFSType"
        if not spec.volumeLifecycleModes:
            spec.volumeLifecycleModes = ["Persistent"]

    def prepare_for_create(self, new: CSIDriver, context: Context) -> None:
        # VolumeLimitScaling (KEP-5030) is off by default, and with it the field it brought.
        new.spec.preventPodSchedulingIfMissing = None

    def prepare_for_update(self, new: CSIDriver, old: CSIDriver, context: Context) -> None:
        if old.spec.preventPodSchedulingIfMissing is None:
            new.spec.preventPodSchedulingIfMissing = None
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: CSIDriver) -> Iterator[FieldError]:
        return _validate_spec(new.spec, "spec")

    def validate_update(self, new: CSIDriver, old: CSIDriver) -> Iterator[FieldError]:
        if new.spec.attachRequired != old.spec.attachRequired:
            yield invalid_value("spec.attachedRequired", new.spec.attachRequired, "field is immutable")
        modes = new.spec.volumeLifecycleModes
        if modes != old.spec.volumeLifecycleModes:
            yield invalid_value("spec.volumeLifecycleModes", list(modes), "field is immutable")


def _validate_spec(spec: CSIDriverSpec, path: str) -> Iterator[FieldError]:
    if spec.fsGroupPolicy is not None and spec.fsGroupPolicy not in _GROUP_POLICIES:
        yield not_supported(f"{path}.fsGroupPolicy", spec.fsGroupPolicy, _GROUP_POLICIES)
    yield from _validate_tokens(spec.tokenRequests, f"{path}.tokenRequests")
    for mode in spec.volumeLifecycleModes:
        if mode not in _MODES:
            yield not_supported(f"{path}.volumeLifecycleModes", mode, _MODES)
    seconds = spec.nodeAllocatableUpdatePeriodSeconds
    if seconds is not None and seconds < 10:
        where = f"{path}.nodeAllocatableUpdatePeriodSeconds"
        yield invalid_value(where, seconds, "must be greater than or equal to 10 seconds")
    if spec.serviceAccountTokenInSecrets is not None and not spec.tokenRequests:
        detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        yield invalid_value(f"{path}.serviceAccountTokenInSecrets", spec.serviceAccountTokenInSecrets, detail)


def _validate_tokens(requests: list[TokenRequest], path: str) -> Iterator[FieldError]:
    audiences: set[str] = set()
    for index, request in enumerate(requests):
        where, seconds = f"{path}[{index}].expirationSeconds", request.expirationSeconds
        if request.audience in audiences:
            yield duplicate(f"{path}[{index}].audience", request.audience)
            continue
        audiences.add(request.audience)
        if seconds is not None and seconds < _SHORTEST:
            yield invalid_value(where, seconds, "may not specify a duration less than 10 minutes")
        if seconds is not None and seconds > _LONGEST:
            yield invalid_value(where, seconds, "may not specify a duration larger than 2^32 seconds")

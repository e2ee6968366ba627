"""The rules of security contexts, of containers and of pods.

See https://kubernetes.io/docs/tasks/configure-pod-container/security-context/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from api.core_v1 import AppArmorProfile, PodSpec, SeccompProfile, SecurityContext
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required, too_long
from apiserver.registry.file_paths import validate_descending
from apiserver.registry.internal_form import internal
from apiserver.registry.pod_annotations import all_containers
from apiserver.registry.windows_options import validate_windows_options

_LARGEST_ID = 2**31 - 1
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_is_sysctl = re.compile(_SYSCTL).match
_LONGEST_PATH = 4095
# What Windows has not, in the order of the errors; some are fields of the pod itself.
_POD_FIELDS = frozenset({"hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"})
_LINUX_POD_FIELDS = (
    "appArmorProfile", "seLinuxOptions", "hostUsers", "hostPID", "hostIPC", "seccompProfile", "fsGroup",
    "fsGroupChangePolicy", "sysctls", "shareProcessNamespace", "runAsUser", "runAsGroup", "supplementalGroups",
    "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
_LINUX_CONTAINER_FIELDS = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip
_NOT_WINDOWS = "cannot be set for a windows pod"
_NOT_LINUX = "windows options cannot be set for a linux pod"


def in_range(value: int | None, path: str, least: int = 0) -> Iterator[FieldError]:
    """User and group ids, and other numbers that have 31 bits."""
    if value is not None and not least <= value <= _LARGEST_ID:
        yield invalid_value(path, value, f"must be between {least} and {_LARGEST_ID}, inclusive")


def validate_security_context(context: SecurityContext, path: str, host_users: bool) -> Iterator[FieldError]:
    """Complaints about a container's security context."""
    yield from in_range(context.runAsUser, f"{path}.runAsUser")
    yield from in_range(context.runAsGroup, f"{path}.runAsGroup")
    mount = context.procMount
    if mount is not None:
        if mount not in ("Default", "Unmasked"):
            yield not_supported(f"{path}.procMount", mount, ("Default", "Unmasked"))
        if mount == "Unmasked" and host_users:
            yield invalid_value(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`")
    yield from _validate_seccomp(context.seccompProfile, f"{path}.seccompProfile")
    if context.allowPrivilegeEscalation is False:
        if context.privileged:
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield invalid_value(path, internal(context), detail)
        added = context.capabilities.add if context.capabilities is not None else []
        for _ in range(added.count("CAP_SYS_ADMIN")):
            detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield invalid_value(path, internal(context), detail)
    yield from validate_windows_options(context.windowsOptions, f"{path}.windowsOptions")
    yield from _validate_app_armor(context.appArmorProfile, f"{path}.appArmorProfile")


def validate_pod_security_context(spec: PodSpec, path: str) -> Iterator[FieldError]:
    """Complaints about a pod's security context; `path` is that of the pod's spec."""
    context = spec.securityContext
    where = f"{path}.securityContext"
    if context is None:
        return
    yield from in_range(context.fsGroup, f"{where}.fsGroup")
    yield from in_range(context.runAsUser, f"{where}.runAsUser")
    yield from in_range(context.runAsGroup, f"{where}.runAsGroup")
    for index, group in enumerate(context.supplementalGroups):
        yield from in_range(group, f"{where}.supplementalGroups[{index}]")
    if spec.shareProcessNamespace and spec.hostPID:
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid_value(f"{where}.shareProcessNamespace", True, detail)
    yield from _validate_sysctls(spec, f"{where}.sysctls")
    policy = context.fsGroupChangePolicy
    if policy is not None and policy not in ("Always", "OnRootMismatch"):
        yield not_supported(f"{where}.fsGroupChangePolicy", policy, ("Always", "OnRootMismatch"))
    yield from _validate_seccomp(context.seccompProfile, f"{where}.seccompProfile")
    yield from validate_windows_options(context.windowsOptions, f"{where}.windowsOptions")
    yield from _validate_app_armor(context.appArmorProfile, f"{where}.appArmorProfile")
    groups = context.supplementalGroupsPolicy
    if groups is not None and groups not in ("Merge", "Strict"):
        yield not_supported(f"{where}.supplementalGroupsPolicy", groups, ("Merge", "Strict"))
    relabel = context.seLinuxChangePolicy
    if relabel is not None and relabel not in ("MountOption", "Recursive"):
        yield not_supported(f"{where}.seLinuxChangePolicy", relabel, ("MountOption", "Recursive"))


def _validate_sysctls(spec: PodSpec, path: str) -> Iterator[FieldError]:
    context = spec.securityContext
    names: set[str] = set()
    for index, sysctl in enumerate(context.sysctls if context is not None else ()):
        where, name = f"{path}[{index}].name", sysctl.name
        if not name:
            yield required(where)
        elif len(name) > 253 or not _is_sysctl(name):
            yield invalid_value(where, name, f"must have at most 253 characters and match regex {_SYSCTL}")
        elif name in names:
            yield duplicate(where, name)
        names.add(name)
        plain = name.replace("/", ".")
        if spec.hostNetwork and plain.startswith("net."):
            yield invalid_value(where, name, "may not be specified when 'hostNetwork' is true")
        if spec.hostIPC and (plain.startswith(("kernel.shm", "kernel.msg", "fs.mqueue.")) or plain == "kernel.sem"):
            yield invalid_value(where, name, "may not be specified when 'hostIPC' is true")


def _validate_seccomp(profile: SeccompProfile | None, path: str) -> Iterator[FieldError]:
    if profile is None:
        return
    local = profile.localhostProfile
    if not profile.type:
        yield required(f"{path}.type", "type is required when seccompProfile is set")
    elif profile.type not in _PROFILES:
        yield not_supported(f"{path}.type", profile.type, _PROFILES)
    if profile.type == "Localhost":
        if local is None:
            yield required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")
        else:
            yield from validate_descending(local, f"{path}.localhostProfile")
    elif local is not None:
        detail = "can only be set when seccomp type is Localhost"
        yield invalid_value(f"{path}.localhostProfile", internal(profile), detail)


def _validate_app_armor(profile: AppArmorProfile | None, path: str) -> Iterator[FieldError]:
    if profile is None:
        return
    where, local = f"{path}.localhostProfile", profile.localhostProfile
    if not profile.type:
        yield required(f"{path}.type", "type is required when appArmorProfile is set")
    elif profile.type not in _PROFILES:
        yield not_supported(f"{path}.type", profile.type, _PROFILES)
    elif profile.type != "Localhost":
        if local is not None:
            yield invalid_value(where, local, "can only be set when AppArmor type is Localhost")
    elif not local:
        yield required(where, "must be set when AppArmor type is Localhost")
    else:
        if local != local.strip():
            yield invalid_value(where, local, "must not be padded with whitespace")
        if len(local.encode()) > _LONGEST_PATH:
            yield too_long(where, _LONGEST_PATH)


def validate_operating_system(spec: PodSpec, path: str) -> Iterator[FieldError]:
    """What one operating system has and the other has not."""
    if spec.os is None:
        return
    if not spec.os.name:
        yield required(f"{path}.os.name")
    elif spec.os.name not in ("linux", "windows"):
        yield not_supported(f"{path}.os", spec.os.name, ("linux", "windows"))
    elif spec.os.name == "windows":
        yield from _refuse_linux_fields(spec, path)
    else:
        yield from _refuse_windows_fields(spec, path)


def _refuse_linux_fields(spec: PodSpec, path: str) -> Iterator[FieldError]:
    context = spec.securityContext
    for name in _LINUX_POD_FIELDS:
        place, holder = (path, spec) if name in _POD_FIELDS else (f"{path}.securityContext", context)
        value = getattr(holder, name, None)
        if value if name in ("hostPID", "hostIPC") else value is not None and value != []:
            yield forbidden(f"{place}.{name}", _NOT_WINDOWS)
    for where, container in all_containers(spec, path):
        for name in _LINUX_CONTAINER_FIELDS:
            if getattr(container.securityContext, name, None) is not None:
                yield forbidden(f"{where}.securityContext.{name}", _NOT_WINDOWS)


def _refuse_windows_fields(spec: PodSpec, path: str) -> Iterator[FieldError]:
    if spec.securityContext is not None and spec.securityContext.windowsOptions is not None:
        yield forbidden(f"{path}.securityContext.windowsOptions", _NOT_LINUX)
    for where, container in all_containers(spec, path):
        context = container.securityContext
        if context is not None and context.windowsOptions is not None:
            yield forbidden(f"{where}.securityContext.windowsOptions", _NOT_LINUX)

"""The restricted level: today's best practice of hardening pods, on top of the baseline.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from __future__ import annotations

from api.core_v1 import Volume
from apiserver.admission.pod_security.baseline import PROFILES, proc_mount, seccomp_profile
from apiserver.admission.pod_security.check import (
    Check,
    CheckFunction,
    Pod,
    Violation,
    containers,
    member,
    names,
    one_or_more,
    set_somewhere,
)

_VOLUMES = frozenset(
    {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected",
        "secret",
    }
)  # fmt: skip


def allow_privilege_escalation(pod: Pod) -> Violation | None:
    bad = [
        each.name for each in pod.containers if member(each.securityContext, "allowPrivilegeEscalation") is not False
    ]
    if not bad:
        return None
    return Violation(
        "allowPrivilegeEscalation != false",
        f"{containers(bad)} must set securityContext.allowPrivilegeEscalation=false",
    )


def capabilities(pod: Pod) -> Violation | None:
    """Containers drop all capabilities and get at most the one to listen on low ports back."""
    keeping, adding, added = [], [], set()
    for container in pod.containers:
        dropped = member(container.securityContext, "capabilities", "drop") or ()
        keeping += [container.name] * ("ALL" not in dropped)
        beyond = set(member(container.securityContext, "capabilities", "add") or ()) - {"NET_BIND_SERVICE"}
        adding += [container.name] * bool(beyond)
        added |= beyond
    found = [f'{containers(keeping)} must set securityContext.capabilities.drop=["ALL"]'] * bool(keeping)
    if adding:
        found.append(
            f"{containers(adding)} must not include {names(sorted(added))} in securityContext.capabilities.add"
        )
    return Violation("unrestricted capabilities", "; ".join(found)) if found else None


def volume_types(pod: Pod) -> Violation | None:
    kinds = {volume.name: _type_of(volume) for volume in pod.spec.volumes}
    bad = [name for name, kind in kinds.items() if kind not in _VOLUMES]
    if not bad:
        return None
    types = sorted({kinds[name] for name in bad})
    what = one_or_more("restricted volume type", len(types))
    use = "uses" if len(bad) == 1 else "use"
    return Violation(
        "restricted volume types", f"{one_or_more('volume', len(bad))} {names(bad)} {use} {what} {names(types)}"
    )


def _type_of(volume: Volume) -> str:
    """Volumes have one source."""
    sources = (name for name in type(volume).model_fields if name != "name" and getattr(volume, name) is not None)
    return next(sources, "unknown")


def run_as_non_root(pod: Pod) -> Violation | None:
    """The pod says that it does not run as root, or each container does."""
    reason = "runAsNonRoot != true"
    who, values = set_somewhere(pod, lambda value: value is False, "runAsNonRoot")
    if values:
        return Violation(reason, f"{who} must not set securityContext.runAsNonRoot=false")
    silent = _silent(pod, "runAsNonRoot")
    if not silent:
        return None
    return Violation(reason, f"pod or {containers(silent)} must set securityContext.runAsNonRoot=true")


def run_as_user(pod: Pod) -> Violation | None:
    who, values = set_somewhere(pod, lambda user: user == 0, "runAsUser")
    return Violation("runAsUser=0", f"{who} must not set runAsUser=0") if values else None


def seccomp_is_set(pod: Pod) -> Violation | None:
    """The pod names a seccomp profile, or each container does."""
    silent = _silent(pod, "seccompProfile")
    if (wrong := seccomp_profile(pod)) or not silent:
        return wrong
    allowed = " or ".join(f'"{profile}"' for profile in sorted(PROFILES, reverse=True))
    return Violation(
        "seccompProfile", f"pod or {containers(silent)} must set securityContext.seccompProfile.type to {allowed}"
    )


def _silent(pod: Pod, name: str) -> list[str]:
    """Containers for which nobody says something: neither they themselves nor the pod."""
    if member(pod.spec.securityContext, name) is not None:
        return []
    return [each.name for each in pod.containers if member(each.securityContext, name) is None]


def _not_on_windows(check: CheckFunction) -> CheckFunction:
    return lambda pod: None if pod.is_windows else check(pod)


def _not_with_own_users(check: CheckFunction) -> CheckFunction:
    return lambda pod: None if pod.has_own_users else check(pod)


CHECKS = (
    Check(
        "allowPrivilegeEscalation",
        ((8, allow_privilege_escalation), (25, _not_on_windows(allow_privilege_escalation))),
    ),
    Check(
        "capabilities_restricted", ((22, capabilities), (25, _not_on_windows(capabilities))), "capabilities_baseline"
    ),
    Check("procMount_restricted", ((35, proc_mount),), "procMount"),
    Check("restrictedVolumes", ((0, volume_types),), "hostPathVolumes"),
    Check("runAsNonRoot", ((0, run_as_non_root), (35, _not_with_own_users(run_as_non_root)))),
    Check("runAsUser", ((23, run_as_user), (35, _not_with_own_users(run_as_user)))),
    Check(
        "seccompProfile_restricted",
        ((19, seccomp_is_set), (25, _not_on_windows(seccomp_is_set))),
        "seccompProfile_baseline",
    ),
)
"""In the order in which they complain."""

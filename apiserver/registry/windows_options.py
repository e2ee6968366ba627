"""The rules of `windowsOptions` in security contexts, and of HostProcess pods.

See https://kubernetes.io/docs/tasks/configure-pod-container/create-hostprocess-pod/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from api.core_v1 import PodSpec, WindowsSecurityContextOptions
from api.errors import FieldError, invalid_value
from apiserver.registry.names import subdomain
from apiserver.registry.pod_annotations import all_containers

_LONGEST_SPEC_KIB = 64
_LONGEST_DOMAIN, _LONGEST_USER = 256, 104
_has_control = re.compile(r"[\x00-\x1f\x7f]").search
_is_net_bios = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}').fullmatch
_DNS_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_is_dns = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*").fullmatch
_is_dots_and_spaces = re.compile("[. ]+").fullmatch
_has_bad_character = re.compile(r'["/\\:;|=,+*?<>@\[\]]').search


def validate_windows_options(options: WindowsSecurityContextOptions | None, path: str) -> Iterator[FieldError]:
    if options is None:
        return
    name, spec, user = options.gmsaCredentialSpecName, options.gmsaCredentialSpec, options.runAsUserName
    if name is not None:
        for complaint in subdomain(name):
            yield invalid_value(f"{path}.gmsaCredentialSpecName", name, complaint)
    if spec is not None:
        if not spec:
            detail = "gmsaCredentialSpec cannot be an empty string"
            yield invalid_value(f"{path}.gmsaCredentialSpec", spec, detail)
        elif len(spec.encode()) > _LONGEST_SPEC_KIB * 1024:
            detail = f"gmsaCredentialSpec size must be under {_LONGEST_SPEC_KIB} KiB"
            yield invalid_value(f"{path}.gmsaCredentialSpec", spec, detail)
    if user is not None:
        for complaint in _user_complaints(user):
            yield invalid_value(f"{path}.runAsUserName", user, f"runAsUserName{complaint}")


def _user_complaints(text: str) -> Iterator[str]:
    """Complaints about a user as `DOMAIN\\user` or `user`."""
    if not text:
        yield " cannot be an empty string"
        return
    if _has_control(text):
        yield " cannot contain control characters"
        return
    if text.count("\\") > 1:
        yield " cannot contain more than one backslash"
        return
    domain, backslash, user = text.rpartition("\\")
    if len(domain) >= _LONGEST_DOMAIN:
        yield f"'s Domain length must be under {_LONGEST_DOMAIN} characters"
    if backslash and not (_is_net_bios(domain) or _is_dns(domain)):
        yield "'s Domain doesn't match the NetBios nor the DNS format"
    if not user:
        yield "'s User cannot be empty"
    elif len(user) > _LONGEST_USER:
        yield f"'s User length must not be longer than {_LONGEST_USER} characters"
    if _is_dots_and_spaces(user):
        yield "'s User cannot contain only periods or spaces"
    if _has_bad_character(user):
        yield "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"


def validate_host_process(spec: PodSpec, path: str) -> Iterator[FieldError]:
    """A pod with one HostProcess container has no others, and is on the host's network."""
    context = spec.securityContext
    of_pod = context.windowsOptions.hostProcess if context is not None and context.windowsOptions is not None else None
    count = 0
    total = 0
    for where, container in all_containers(spec, path):
        total += 1
        own = container.securityContext.windowsOptions if container.securityContext is not None else None
        of_container = own.hostProcess if own is not None else None
        if of_pod is not None and of_container is not None and of_pod != of_container:
            detail = f"pod hostProcess value must be identical if both are specified, was {str(of_pod).lower()}"
            yield invalid_value(f"{where}.securityContext.windowsOptions.hostProcess", of_container, detail)
        count += bool(of_pod if of_container is None else of_container)
    if not count:
        return
    if count != total:
        detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        yield invalid_value(path, "", detail)
    if not spec.hostNetwork:
        detail = "hostNetwork must be true if pod contains any hostProcess containers"
        yield invalid_value(f"{path}.hostNetwork", False, detail)

"""ServiceAccount: every pod has an account, and its token mounted where clients look for it.

https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#serviceaccount-admission-controller
"""

from __future__ import annotations

import random
from functools import cache, lru_cache

from api.core_v1 import (
    ConfigMapProjection,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    LocalObjectReference,
    ObjectFieldSelector,
    Pod,
    ProjectedVolumeSource,
    ServiceAccount,
    ServiceAccountTokenProjection,
    Volume,
    VolumeMount,
    VolumeProjection,
)
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.authorization.node_graph import pod_references
from apiserver.registry.pod_annotations import MIRROR

DEFAULT_ACCOUNT = "default"
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_VOLUME_PREFIX = "kube-api-access-"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_ENFORCE = "kubernetes.io/enforce-mountable-secrets"
_TOKEN_SECONDS = 3607  # an hour and a mark by which the API server knows tokens that pods renew


class ServiceAccountPlugin(AdmissionPlugin):
    name = "ServiceAccount"

    def __init__(self, *, mount_tokens: bool = True) -> None:
        """`mount_tokens`: whether pods get the API's token; needs the TokenRequest API."""
        self._mount_tokens = mount_tokens

    def mutate(self, request: AdmissionRequest) -> None:
        if request.resource.model is not Pod or request.operation != "CREATE" or request.subresource:
            return
        pod: Pod = request.object
        spec = pod.spec
        if MIRROR in pod.metadata.annotations:
            # A mirror pod only shows what a kubelet runs by itself: it has no access to anything.
            if spec.serviceAccountName:
                raise request.forbidden("a mirror pod may not reference service accounts")
            return
        if not spec.serviceAccountName:
            spec.serviceAccountName = DEFAULT_ACCOUNT
        spec.serviceAccount = spec.serviceAccountName
        name = spec.serviceAccountName
        account = request.context.peek(ServiceAccount, request.namespace, name)
        if account is None:
            raise request.forbidden(
                f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found'
            )
        if self._mount_tokens and _wants_token(pod, account):
            _mount_token(pod)
        if not spec.imagePullSecrets:
            spec.imagePullSecrets = [LocalObjectReference(name=each.name) for each in account.imagePullSecrets]

    def validate(self, request: AdmissionRequest) -> None:
        if request.resource.model is not Pod:
            return
        adds_container = (request.operation, request.subresource) == ("UPDATE", "ephemeralcontainers")
        if not adds_container and (request.operation != "CREATE" or request.subresource):
            return
        pod: Pod = request.object
        if MIRROR in pod.metadata.annotations and not adds_container:
            _check_mirror(request, pod)
            return
        account = request.context.peek(ServiceAccount, request.namespace, pod.spec.serviceAccountName)
        if account is not None and account.metadata.annotations.get(_ENFORCE, "").lower() in ("1", "t", "true"):
            from apiserver.admission.mountable_secrets import problem  # few accounts ask for it

            if refusal := problem(pod, account, only_ephemeral=adds_container):
                raise request.forbidden(refusal)


def _check_mirror(request: AdmissionRequest, pod: Pod) -> None:
    """Raises Forbidden for a pod that shows what a kubelet runs by itself, and yet names what pods have access to."""
    if any(resource == "secrets" and name for resource, name in pod_references(pod.to_dict())):
        raise request.forbidden("a mirror pod may not reference secrets")
    for volume in pod.spec.volumes:
        sources = volume.projected.sources if volume.projected is not None else []
        if any(source.serviceAccountToken is not None for source in sources):
            raise request.forbidden("a mirror pod may not use ServiceAccountToken volume projections")


def _wants_token(pod: Pod, account: ServiceAccount) -> bool:
    if pod.spec.automountServiceAccountToken is not None:
        return pod.spec.automountServiceAccountToken
    return account.automountServiceAccountToken is not False


def _mount_token(pod: Pod) -> None:
    """Add the volume with token, CA and namespace, and mount it where nothing is mounted yet."""
    spec = pod.spec
    wanting = [
        container
        for container in (*spec.initContainers, *spec.containers)
        if all(mount.mountPath != TOKEN_PATH for mount in container.volumeMounts)
    ]
    existing = [v.name for v in spec.volumes if v.name.startswith(_VOLUME_PREFIX) and v.projected is not None]
    if not wanting:
        return
    name = existing[0] if existing else _new_volume_name()
    mount = _token_mount(name)
    for container in wanting:
        container.volumeMounts.append(mount)
    if not existing:
        spec.volumes.append(_token_volume(name))


@cache
def _new_volume_name() -> str:
    """One that is nobody else's in a pod.  The same for all pods: those of one template stay the same to the byte, and
    what is known of the first is known of all (`apiserver.new_object`)."""
    return _VOLUME_PREFIX + "".join(random.choices(_LETTERS, k=5))


# Shared by all pods: what is complete nobody has to change.


@lru_cache(maxsize=64)
def _token_mount(name: str) -> VolumeMount:
    return VolumeMount(name=name, readOnly=True, mountPath=TOKEN_PATH)


@lru_cache(maxsize=64)
def _token_volume(name: str) -> Volume:
    return Volume(name=name, projected=_token_source())


@cache
def _token_source() -> ProjectedVolumeSource:
    namespace = DownwardAPIVolumeFile(
        path="namespace", fieldRef=ObjectFieldSelector(apiVersion="v1", fieldPath="metadata.namespace")
    )
    certificate = KeyToPath(key="ca.crt", path="ca.crt")
    token = ServiceAccountTokenProjection(expirationSeconds=_TOKEN_SECONDS, path="token")
    return ProjectedVolumeSource(
        defaultMode=0o644,
        sources=[
            VolumeProjection(serviceAccountToken=token),
            VolumeProjection(configMap=ConfigMapProjection(name="kube-root-ca.crt", items=[certificate])),
            VolumeProjection(downwardAPI=DownwardAPIProjection(items=[namespace])),
        ],
    )

"""Every namespace has a ConfigMap with the CA that signs the API server's certificate, for pods to trust.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#kube-root-ca-crt (bound token volumes)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.core_v1 import ConfigMap, Namespace
from api.errors import AlreadyExists, NotFound
from api.meta_v1 import ObjectMeta
from client.controller import Controller, Key, Watches
from controller_manager.pod_control import namespace_is_ending

NAME = "kube-root-ca.crt"
DESCRIPTION = "kubernetes.io/description"
_TEXT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class RootCaPublisher(Controller):
    name = "root-ca-certificate-publisher-controller"

    def __init__(self, *common: Any, root_ca: str) -> None:
        """`root_ca` is PEM."""
        self.data = {"ca.crt": root_ca}
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.namespaces = watch(Namespace)
        self.published = watch(ConfigMap, enqueue=_namespace, field_selector=f"metadata.name={NAME}")

    async def reconcile(self, key: Key) -> None:
        namespace = self.namespaces.get(key)
        if namespace is None or namespace.metadata.deletionTimestamp is not None:
            return
        present = self.published.get(f"{key}/{NAME}")
        try:
            if present is None:
                meta = ObjectMeta(name=NAME, namespace=key, annotations={DESCRIPTION: _TEXT})
                await self.client.create(ConfigMap(metadata=meta, data=self.data))
            elif present.data != self.data:
                await self.client.update(present.model_copy(update={"data": self.data}))
        except (AlreadyExists, NotFound):
            return
        except Exception as error:
            if not namespace_is_ending(error):
                raise


def _namespace(old: ConfigMap | None, new: ConfigMap | None) -> Iterable[Key]:
    yield (new or old).metadata.namespace  # type: ignore[union-attr]

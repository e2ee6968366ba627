"""Signs the `cluster-info` ConfigMap with every bootstrap token that may sign.

Who holds such a token can tell, before trusting anything, that the kubeconfig in there is this cluster's: each
signature is a JSON Web Signature (RFC 7515, HS256) whose middle part, the kubeconfig, is left out.
https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#configmap-signing
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import Any

from api.core_v1 import ConfigMap, Secret
from api.errors import NotFound
from client.controller import Controller, Key, Watches
from controller_manager.bootstrap.token import NAMESPACE, TYPE, signing_key

_PUBLIC, _NAME = "kube-public", "cluster-info"
_KEY = f"{_PUBLIC}/{_NAME}"
_KUBECONFIG = "kubeconfig"
_SIGNATURE = "jws-kubeconfig-"


class BootstrapSignerController(Controller):
    name = "bootstrap-signer-controller"
    workers = 1

    def setup(self, watch: Watches) -> None:
        self.config_maps = watch(ConfigMap, namespace=_PUBLIC, field_selector=f"metadata.name={_NAME}")
        self.secrets = watch(Secret, enqueue=_always, namespace=NAMESPACE, field_selector=f"type={TYPE}")

    async def reconcile(self, key: Key) -> None:
        info = self.config_maps.get(_KEY)
        if info is None or _KUBECONFIG not in info.data:
            return
        now = self.clock.now()
        keys = dict(filter(None, (signing_key(secret, now) for secret in self.secrets)))
        data = signed(info.data, keys)
        if data == info.data:
            return
        try:
            await self.client.update(info.model_copy(update={"data": data}))
        except NotFound:
            return


def _always(old: Any, new: Any) -> Iterable[Key]:
    return (_KEY,)


def signed(data: dict[str, str], keys: dict[str, str]) -> dict[str, str]:
    """The data with a signature for each key (secret by token id), and no other."""
    bare = {name: value for name, value in data.items() if not name.startswith(_SIGNATURE)}
    return bare | {
        f"{_SIGNATURE}{name}": detached_signature(data[_KUBECONFIG], name, key) for name, key in sorted(keys.items())
    }


def detached_signature(content: str, token_id: str, secret: str) -> str:
    """ "<header>..<signature>": RFC 7515, appendix F."""
    header = _encoded(f'{{"alg":"HS256","kid":"{token_id}"}}'.encode())
    payload = _encoded(content.encode())
    mac = hmac.digest(secret.encode(), f"{header}.{payload}".encode(), hashlib.sha256)
    return f"{header}..{_encoded(mac)}"


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()

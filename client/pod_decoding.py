"""Pods as informers decode them: those of one template share one spec, so that thousands cost little more than names.

A pod's JSON is metadata, spec and status, in this order, and between two versions of a pod, or two pods of a template,
hardly more of the spec changes than the node's name.  So the bytes of a spec are looked up, without the node, among
those that were decoded before; only metadata and status are decoded each time.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar, cast

from api.core_v1 import Pod, PodSpec
from api.model import Model

M = TypeVar("M", bound=Model)

_KEPT = 512
# Inside of strings quotes are escaped, so these are members; no member of metadata or of a pod's status is called so.
_SPEC, _STATUS, _MANAGED = b',"spec":{', b',"status":{', b',"managedFields":['
_NO_SPEC = b',"spec":{"containers":[]}'  # cheaper to decode than the default is to copy
_NODE = re.compile(rb'"nodeName":"([^"\\]*)",|,"nodeName":"([^"\\]*)"(?=}$)')


class PodDecoder:
    """Decodes a pod's JSON, without `managedFields`.  The specs of different pods may be one object: never change it.

    Raises ValueError for what is no pod.
    """

    def __init__(self, canonical: Callable[[PodSpec], PodSpec] = lambda spec: spec) -> None:
        """`canonical` may put another in the place of a spec, here without its node, that was not met before."""
        self._canonical = canonical
        self._known: OrderedDict[bytes, PodSpec] = OrderedDict()

    def __call__(self, data: bytes) -> Pod:
        begin, end = data.find(_SPEC), data.rfind(_STATUS)
        if not 0 < begin < end:
            pod = Pod.decode(data)
            node, pod.spec.nodeName = pod.spec.nodeName, ""
            shared = self._canonical(pod.spec)
        else:
            managed = data.find(_MANAGED, 0, begin)
            head = data[:begin] if managed < 0 else data[:managed] + b"}"
            pod = Pod.decode(head + _NO_SPEC + data[end:])
            spec, node = _without_node(data[begin + len(_SPEC) - 1 : end])
            shared = self._shared(spec)
        pod.spec = shared.model_copy(update={"nodeName": node}) if node else shared
        return pod

    def _shared(self, data: bytes) -> PodSpec:
        spec = self._known.get(data)
        if spec is None:
            spec = self._known[data] = self._canonical(PodSpec.decode(data))
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(data)
        return spec


def _without_node(spec: bytes) -> tuple[bytes, str]:
    """A spec's JSON without the name of the node, and that name; "" when it has none."""
    found = _NODE.search(spec)
    if found is None:
        return spec, ""
    return spec[: found.start()] + spec[found.end() :], (found[1] or found[2] or b"").decode()


def decoder_of(model: type[M]) -> Callable[[bytes], M]:
    """How an informer decodes objects of a kind."""
    return cast(Any, PodDecoder()) if model is Pod else model.decode

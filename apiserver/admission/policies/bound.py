"""The policies that have bindings, in the order they are asked: by name, and by the names of the bindings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from api.admissionregistration_v1 import MutatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBinding
from api.model import Model
from apiserver.admission.policies.compiled import CompiledPolicy
from apiserver.endpoint import API
from apiserver.storage.entry import Entry

P = TypeVar("P", bound=CompiledPolicy)
Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding


class Bound(NamedTuple, Generic[P]):
    policy: P
    bindings: Sequence[Binding]


class BoundPolicies(Generic[P]):
    """Those of one kind.  They are read anew only when they have changed, and only what has changed is compiled."""

    def __init__(self, api: API, policy: type[Model], binding: type[Binding], compile: Callable[[Any], P]) -> None:
        self._policies, self._bindings = api.endpoint_of(policy), api.endpoint_of(binding)
        self._compile = compile
        self._read_at: tuple[int, int] | None = None
        self._compiled: dict[str, tuple[Entry, P]] = {}
        self._bound: list[Bound[P]] = []

    def all(self) -> Sequence[Bound[P]]:
        cache = self._policies.cache
        now = cache.newest(self._policies.prefix), cache.newest(self._bindings.prefix)
        if now != self._read_at:
            self._bound = self._read()
            self._read_at = now
        return self._bound

    def _read(self) -> list[Bound[P]]:
        cache = self._policies.cache
        bindings: dict[str, list[Binding]] = {}
        for entry in cache.list(self._bindings.prefix):
            binding = self._bindings.decode(entry)
            bindings.setdefault(binding.spec.policyName, []).append(binding)
        compiled: dict[str, tuple[Entry, P]] = {}
        for entry in cache.list(self._policies.prefix):
            if entry.name in bindings:
                before = self._compiled.get(entry.name)
                if before is None or before[0] is not entry:
                    before = entry, self._compile(self._policies.decode(entry))
                compiled[entry.name] = before
        self._compiled = compiled
        return [Bound(policy, bindings[name]) for name, (_, policy) in sorted(compiled.items())]

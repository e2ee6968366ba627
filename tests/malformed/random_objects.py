"""Objects by chance: any JSON, what a kind's schema allows, and valid objects with something wrong in them."""

from __future__ import annotations

import copy
import random
from typing import Any

from tests.malformed.resources import Object

_STRINGS = (
    "", "a", "x", "A", "main", "default", "web", "a.b", "a/b", "example.com/a", "-", "1", "0", "true", "null",
    "10.96.0.1",
    "10.0.0.0/8", "::1", "fe80::1%eth0", "0.0.0.0/0", "500m", "1Gi", "1e3", "-1", "1.5", "99999999999999999999", "100%",
    "-5%", "TCP", "http", "Always", "Never", "None", "*", "/", "../..", "$(A)", "{{x}}", " ", "\n", "\t\r", "\x00",
    "\x7f", "é",
    "\u2028", "😀", "İ", "\ufeff", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z", "9999-12-31T23:59:59-12:00",
    "0000-01-01T00:00:00Z", "5s", "1h1h", "* * * * *", "@every 1h", "60 * * * *", "UTC", "YQ==", "%zz", "a" * 64,
    "b" * 260,
    "metadata.name", "status.podIP", "spec.containers{main}", "kubernetes.io/x", "v1", "apps/v1", "Pod",
    "self.x == 1", "[",
    "^(a+)+$", "sha256:abc", "http://[::1", "https://x/%", "unix:///x", "NodePort", "LoadBalancer", "ExternalName",
    "ClientIP",
)  # fmt: skip
_NUMBERS = (
    0, 1, -1, 2, 80, 443, 65535, 65536, 30000, 2**31 - 1, 2**31, -(2**31), 2**63 - 1, -(2**63), 2**63, 1.5, -0.0, 1e300,
)  # fmt: skip
_KEYS = (
    "name", "metadata", "spec", "status", "labels", "data", "a", "", "kind", "apiVersion", "items", "$patch",
    "$retainKeys",
    "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", "matchLabels", "matchExpressions", "f:a",
    "\x00", "é",
)  # fmt: skip


class Maker:
    """Draws from one source of chance; the same seed makes the same objects."""

    def __init__(self, seed: int | str, schemas: dict[str, Object] | None = None) -> None:
        self.chance = random.Random(seed)
        self._schemas = schemas or {}

    def anything(self, depth: int = 3) -> Any:
        """Any JSON."""
        kind = self.chance.randrange(8 if depth else 5)
        if kind == 0:
            return self.chance.choice((None, True, False))
        if kind in (1, 2):
            return self.chance.choice(_NUMBERS)
        if kind in (3, 4):
            return self.chance.choice(_STRINGS)
        count = self.chance.randrange(4)
        if kind == 5:
            return [self.anything(depth - 1) for _ in range(count)]
        return {self.chance.choice(_KEYS): self.anything(depth - 1) for _ in range(count)}

    def of_schema(self, schema: Object, depth: int = 12, density: float = 0.4) -> Any:
        """A value of the types that a published schema (OpenAPI v3) asks for; seldom of others."""
        if self.chance.random() < 0.003:
            return self.anything(1)
        while reference := schema.get("$ref") or next((each.get("$ref") for each in schema.get("allOf", ())), None):
            schema = self._schemas[reference.rpartition("/")[2]]
        if "enum" in schema and self.chance.random() < 0.9:
            return self.chance.choice(schema["enum"])
        match schema.get("type"):
            case "object" if "properties" in schema:
                required = schema.get("required", ())
                names = [
                    name
                    for name in schema["properties"]
                    if name in required or (depth > 0 and self.chance.random() < density)
                ]
                return {name: self.of_schema(schema["properties"][name], depth - 1, density * 0.8) for name in names}
            case "object" if isinstance(inner := schema.get("additionalProperties"), dict):
                count = self.chance.randrange(3) if depth > 0 else 0
                return {
                    self.chance.choice(_STRINGS[1:]): self.of_schema(inner, depth - 1, density) for _ in range(count)
                }
            case "object":
                return self.anything(2) if self.chance.random() < 0.3 else {}
            case "array":
                count = self.chance.choice((0, 1, 1, 2, 3)) if depth > 0 else 0
                return [self.of_schema(schema["items"], depth - 1, density) for _ in range(count)]
            case "string":
                return self.chance.choice(_STRINGS)
            case "integer":
                return self.chance.choice(_NUMBERS[:13])
            case "number":
                return self.chance.choice(_NUMBERS)
            case "boolean":
                return self.chance.choice((True, False))
            case _:
                return self.chance.choice((*_STRINGS, *_NUMBERS[:10]))

    def damaged(self, valid: Object, schema: Object) -> Object:
        """The object with some members replaced, lost, doubled, or new ones by the schema."""
        changed = copy.deepcopy(valid)
        for _ in range(self.chance.choice((1, 1, 1, 2, 4))):
            if self.chance.random() < 0.5:
                self._graft(changed, self.of_schema(schema, density=0.15))
                continue
            place: Any = changed
            while True:
                steps = list(place) if isinstance(place, dict) else list(range(len(place)))
                if not steps:
                    break
                step = self.chance.choice(steps)
                if isinstance(place[step], dict | list) and place[step] and self.chance.random() < 0.8:
                    place = place[step]
                    continue
                self._hurt(place, step)
                break
        return changed

    def _graft(self, onto: Object, new: Any) -> None:
        """Put what has been made anew beside or over what is there, the names excepted."""
        for name, value in new.items() if isinstance(new, dict) else ():
            there = onto.get(name)
            if isinstance(there, dict) and isinstance(value, dict):
                self._graft(there, value)
            elif name not in ("name", "namespace", "apiVersion", "kind", "resourceVersion", "uid"):
                onto[name] = value

    def _hurt(self, place: Any, step: Any) -> None:
        match self.chance.randrange(5):
            case 0:
                del place[step]
            case 1:
                place[step] = None
            case 2 if isinstance(place, list):
                place.append(copy.deepcopy(place[step]))
            case 2 | 3:
                place[step] = self.chance.choice((*_STRINGS, *_NUMBERS))
            case _:
                place[step] = self.anything(2)

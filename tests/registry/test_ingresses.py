"""Ingresses and their classes."""

from __future__ import annotations

from typing import Any

import pytest

from api.core_v1 import Service
from api.networking_v1 import Ingress, IngressClass
from apiserver.admission.default_ingress_class import DefaultIngressClass
from apiserver.registry.ingress_classes import IngressClasses
from apiserver.registry.ingresses import Ingresses
from tests.registry.builders import NOW, complaints, created, update_complaints
from tests.registry.test_admission import request

BACKEND = {"service": {"name": "s", "port": {"number": 80}}}


def ingress(**spec: Any) -> Ingress:
    return Ingress.from_dict({"metadata": {"name": "i", "namespace": "n"}, "spec": spec})


def route(**fields: Any) -> Ingress:
    return ingress(rules=[{"http": {"paths": [{"path": "/", "pathType": "Exact", "backend": BACKEND, **fields}]}}])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (route(), []),
        (ingress(), ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]),
        (
            ingress(defaultBackend={}),
            ['spec.defaultBackend: Invalid value: "": resource or service backend is required'],
        ),
        (
            route(pathType="Prefix", path="a//b"),
            [
                'spec.rules[0].http.paths[0].path: Invalid value: "a//b": must be an absolute path',
                "spec.rules[0].http.paths[0].path: Invalid value: \"a//b\": must not contain '//'",
            ],
        ),
        (
            route(pathType="Fuzzy"),
            [
                'spec.rules[0].http.paths[0].pathType: Unsupported value: "Fuzzy": supported values: "Exact", '
                '"ImplementationSpecific", "Prefix"'
            ],
        ),
        (
            route(backend={"service": {"name": "s", "port": {}}}),
            ["spec.rules[0].http.paths[0].backend: Required value: port name or number is required"],
        ),
        (
            ingress(rules=[{"host": "1.2.3.4"}]),
            ['spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address'],
        ),
    ],
)
def test_rules(given: Ingress, expected: list[str]) -> None:
    assert complaints(Ingresses(), given) == expected


def test_the_old_annotation_agrees_with_the_class_and_is_warned_of() -> None:
    given = ingress(defaultBackend=BACKEND, ingressClassName="y")
    given.metadata.annotations = {"kubernetes.io/ingress.class": "x"}
    assert complaints(Ingresses(), given) == [
        'annotations.kubernetes.io/ingress.class: Invalid value: "x": '
        "must match `ingressClassName` when both are specified"
    ]
    [warning] = Ingresses().warnings(given, None)
    assert warning.endswith("is deprecated, please use 'spec.ingressClassName' instead")


def test_the_line_of_an_ingress() -> None:
    given = created(Ingresses(), ingress(rules=[{"host": f"h{n}"} for n in range(5)], tls=[{}]))
    given.status.loadBalancer.ingress = []
    assert Ingresses().cells(given, NOW)[1:5] == ["<none>", "h0,h1,h2 + 2 more...", "", "80, 443"]


def ingress_class(name: str = "c", *, default: bool = False, age: int = 0, **spec: Any) -> IngressClass:
    found = IngressClass.from_dict({"metadata": {"name": name}, "spec": {"controller": "a.b/c", **spec}})
    found.metadata.annotations = {"ingressclass.kubernetes.io/is-default-class": str(default).lower()}
    found.metadata.creationTimestamp = NOW.replace(second=NOW.second - age)
    return found


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"controller": ""}, ["spec.controller: Required value"]),
        (
            {"controller": "nginx"},
            ['spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")'],
        ),
        (
            {"parameters": {"kind": "K", "name": "n", "namespace": "x"}},
            ["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"],
        ),
        (
            {"parameters": {"kind": "K", "name": "n", "scope": "Namespace"}},
            ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
        ),
    ],
)
def test_class_rules(fields: dict[str, Any], expected: list[str]) -> None:
    assert complaints(IngressClasses(), ingress_class(**fields)) == expected


def test_a_class_keeps_its_controller() -> None:
    def change(new: IngressClass) -> None:
        new.spec.controller = "d.e/f"

    assert update_complaints(IngressClasses(), ingress_class(), change) == [
        'spec.controller: Invalid value: "d.e/f": field is immutable'
    ]


@pytest.mark.parametrize(
    ("classes", "chosen"),
    [
        ([ingress_class("a")], None),
        ([ingress_class("a"), ingress_class("b", default=True)], "b"),
        ([ingress_class("a", default=True, age=2), ingress_class("b", default=True, age=1)], "b"),
        ([ingress_class("d", default=True), ingress_class("c", default=True)], "c"),
    ],
)
def test_an_ingress_without_a_class_gets_the_newest_default(classes: list[IngressClass], chosen: str | None) -> None:
    given = ingress(defaultBackend=BACKEND)
    DefaultIngressClass().mutate(request(given, *classes))
    assert given.spec.ingressClassName == chosen


def test_what_says_its_class_keeps_it() -> None:
    default = ingress_class("c", default=True)
    given = ingress(defaultBackend=BACKEND, ingressClassName="")
    DefaultIngressClass().mutate(request(given, default))
    assert given.spec.ingressClassName == ""
    old = ingress(defaultBackend=BACKEND)
    old.metadata.annotations = {"kubernetes.io/ingress.class": "x"}
    DefaultIngressClass().mutate(request(old, default))
    assert old.spec.ingressClassName is None
    DefaultIngressClass().mutate(request(Service(), default))


def test_the_default_class_is_marked() -> None:
    cells = [IngressClasses().cells(ingress_class(default=default), NOW)[0] for default in (True, False)]
    assert cells == ["c (default)", "c"]

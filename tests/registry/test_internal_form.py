"""How messages quote objects: as Go writes them, maps in the order of their keys."""

from __future__ import annotations

from json import dumps as json_of

from api.core_v1 import PodAffinityTerm
from api.meta_v1 import LabelSelector, ObjectMeta
from apiserver.registry.internal_form import internal, metadata_form
from apiserver.registry.workloads import selector_shown

SELECTOR = {"matchExpressions": [{"key": "c", "operator": "Exists"}], "matchLabels": {"b": "2", "a": "1"}}
QUOTED = '{"matchLabels": {"a": "1", "b": "2"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]}'


def test_labels_of_a_selector_are_in_order() -> None:
    assert json_of(selector_shown(LabelSelector.from_dict(SELECTOR))) == QUOTED
    assert json_of(internal(PodAffinityTerm.from_dict({"labelSelector": SELECTOR, "topologyKey": "t"}))) == (
        f'{{"LabelSelector": {QUOTED}, "Namespaces": null, "TopologyKey": "t", "NamespaceSelector": null, '
        '"MatchLabelKeys": null, "MismatchLabelKeys": null}'
    )


def test_labels_and_annotations_are_in_order() -> None:
    meta = ObjectMeta(name="n", annotations={"d": "4", "c": "3"}, labels={"b": "2", "a": "1"})
    assert json_of(metadata_form(meta)) == (
        '{"name": "n", "labels": {"a": "1", "b": "2"}, "annotations": {"c": "3", "d": "4"}}'
    )

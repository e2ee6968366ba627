"""What labels select is found by index, and is what looking at everything would find."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as some

from api.core_v1 import Pod, Service
from client.store import Store, key_of
from controller_manager.label_index import LABELS, SELECTOR, by_labels, by_selector, carrying, selecting
from controller_manager.selectors import selects_all_of

_LABELS = some.dictionaries(some.sampled_from("ab"), some.sampled_from(("1", "2", "1=2")), max_size=2)
Placed = list[tuple[str, dict[str, str]]]
_PLACED = some.lists(some.tuples(some.sampled_from("xy"), _LABELS), max_size=6)


@settings(deadline=None)
@given(_PLACED, _PLACED, some.data())
def test_both_ways(pods: Placed, services: Placed, data: some.DataObject) -> None:
    pod_store: Store[Pod] = Store({LABELS: by_labels})
    service_store: Store[Service] = Store({SELECTOR: by_selector})
    for number, (namespace, labels) in enumerate(pods):
        pod_store.put(Pod.from_dict({"metadata": {"name": f"p{number}", "namespace": namespace, "labels": labels}}))
    for number, (namespace, selector) in enumerate(services):
        meta = {"name": f"s{number}", "namespace": namespace}
        service_store.put(Service.from_dict({"metadata": meta, "spec": {"selector": selector}}))
    for name in data.draw(some.sets(some.sampled_from(range(6)))):  # some change their labels
        if name < len(pods):
            changed = pod_store.get(f"{pods[name][0]}/p{name}")
            assert changed is not None
            meta = changed.metadata.model_copy(update={"labels": data.draw(_LABELS)})
            pod_store.put(changed.model_copy(update={"metadata": meta}))
    for service in service_store:
        namespace, wanted = service.metadata.namespace, service.spec.selector
        found = {key_of(pod) for pod in carrying(pod_store, namespace, wanted)}
        assert found == {
            key_of(p) for p in pod_store.in_namespace(namespace) if selects_all_of(wanted, p.metadata.labels)
        }
    for pod in pod_store:
        namespace, labels = pod.metadata.namespace, pod.metadata.labels
        theirs = {key_of(service) for service in selecting(service_store, namespace, labels)}
        assert theirs == {
            key_of(s) for s in service_store.in_namespace(namespace) if selects_all_of(s.spec.selector, labels)
        }

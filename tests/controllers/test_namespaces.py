"""Namespaces: what each gets when it comes, and what must go before it goes."""

from functools import partial
from typing import Any

from api.core_v1 import ConfigMap, Namespace, Pod, PodSpec, ServiceAccount
from api.errors import NotFound
from api.meta_v1 import ObjectMeta
from controller_manager.namespace import NamespaceController
from controller_manager.root_ca import RootCaPublisher
from controller_manager.service_account import ServiceAccountController
from tests.controllers.cluster import Cluster, eventually


async def exists(cluster: Cluster, kind: type, name: str, namespace: str = "") -> bool:
    try:
        await cluster.client.get(kind, name, namespace)
    except NotFound:
        return False
    return True


async def test_every_namespace_gets_a_service_account_and_the_root_ca(cluster: Cluster) -> None:
    await cluster.client.create(Namespace(metadata=ObjectMeta(name="before")))
    await cluster.run(ServiceAccountController, lambda *common: RootCaPublisher(*common, root_ca="PEM"))
    await cluster.client.create(Namespace(metadata=ObjectMeta(name="after")))
    for namespace in ("before", "after"):
        await eventually(lambda namespace=namespace: exists(cluster, ServiceAccount, "default", namespace))
        await eventually(lambda namespace=namespace: exists(cluster, ConfigMap, "kube-root-ca.crt", namespace))
    await cluster.client.delete(ServiceAccount, "default", "after")
    await eventually(lambda: exists(cluster, ServiceAccount, "default", "after"))
    await cluster.client.patch(ConfigMap, "kube-root-ca.crt", "after", {"data": {"ca.crt": "forged"}})

    async def repaired() -> bool:
        return (await cluster.client.get(ConfigMap, "kube-root-ca.crt", "after")).data == {"ca.crt": "PEM"}

    await eventually(repaired)
    await cluster.client.delete(ConfigMap, "kube-root-ca.crt", "after")
    await eventually(lambda: exists(cluster, ConfigMap, "kube-root-ca.crt", "after"))


async def test_a_namespace_goes_when_all_in_it_has_gone(cluster: Cluster) -> None:
    await cluster.run(NamespaceController)
    await cluster.client.create(Namespace(metadata=ObjectMeta(name="n")))
    for name in ("a", "b"):
        await cluster.client.create(ConfigMap(metadata=ObjectMeta(name=name, namespace="n")))
    held = ConfigMap(metadata=ObjectMeta(name="held", namespace="n", finalizers=["example.com/hold"]))
    await cluster.client.create(held)
    await cluster.client.create(Pod(metadata=ObjectMeta(name="p", namespace="n"), spec=PodSpec(containers=[])))
    await cluster.client.create(ConfigMap(metadata=ObjectMeta(name="other", namespace="default")))
    await cluster.client.delete(Namespace, "n")

    async def waits() -> bool:
        conditions = (await cluster.client.get(Namespace, "n")).status.conditions
        return any(c.type == "NamespaceFinalizersRemaining" and c.status == "True" for c in conditions)

    await eventually(waits)
    conditions = {c.type: c for c in (await cluster.client.get(Namespace, "n")).status.conditions}
    assert conditions["NamespaceContentRemaining"].message == (
        "Some resources are remaining: configmaps. has 1 resource instances"
    )
    assert conditions["NamespaceDeletionDiscoveryFailure"].status == "False"
    await cluster.client.patch(ConfigMap, "held", "n", {"metadata": {"finalizers": None}})

    async def gone() -> bool:
        return not await exists(cluster, Namespace, "n")

    await eventually(gone)
    assert [o.metadata.name for o in (await cluster.client.list(ConfigMap)).items] == ["other"]


async def test_a_namespace_is_looked_through_once(cluster: Cluster) -> None:
    """That its conditions are written, which everybody hears of, is no reason to do it again."""
    [controller] = await cluster.run(NamespaceController)
    finalized: list[str] = []
    update = controller.client.update

    async def noting(obj: Any, **options: Any) -> Any:
        finalized.extend([obj.metadata.name] if options.get("subresource") == "finalize" else [])
        return await update(obj, **options)

    controller.client.update = noting
    names = [f"n{number}" for number in range(5)]
    for name in names:
        await cluster.client.create(Namespace(metadata=ObjectMeta(name=name)))
        await cluster.client.delete(Namespace, name)
    for name in names:
        await eventually(partial(gone_from, cluster, name))
    await eventually(partial(idle, cluster))
    assert sorted(finalized) == names


async def gone_from(cluster: Cluster, name: str) -> bool:
    return not await exists(cluster, Namespace, name)


async def idle(cluster: Cluster) -> bool:
    return not cluster.is_busy


async def test_pods_go_before_anything_else(cluster: Cluster) -> None:
    """Conformance: "OrderedNamespaceDeletion namespace deletion should delete pod first"."""
    await cluster.run(NamespaceController)
    await cluster.client.create(Namespace(metadata=ObjectMeta(name="n")))
    hold = ["example.com/hold"]
    held = Pod(metadata=ObjectMeta(name="p", namespace="n", finalizers=hold), spec=PodSpec(containers=[]))
    await cluster.client.create(held)
    await cluster.client.create(ConfigMap(metadata=ObjectMeta(name="c", namespace="n")))
    await cluster.client.delete(Namespace, "n")

    async def waits() -> dict[str, str]:
        conditions = (await cluster.client.get(Namespace, "n")).status.conditions
        return {c.type: c.message for c in conditions if c.status == "True"}

    assert await eventually(waits) == {
        "NamespaceContentRemaining": "Some resources are remaining: pods. has 1 resource instances",
        "NamespaceFinalizersRemaining": (
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
        ),
    }
    assert (await cluster.client.get(ConfigMap, "c", "n")).metadata.deletionTimestamp is None
    await cluster.client.patch(Pod, "p", "n", {"metadata": {"finalizers": None}})

    async def gone() -> bool:
        return not await exists(cluster, Namespace, "n")

    await eventually(gone)
    deleted = [key[0] for _, kind, key, _ in cluster.server.log if kind == "DELETED"]
    assert deleted.index("pods") < deleted.index("configmaps") < deleted.index("namespaces")

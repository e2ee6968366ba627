"""Works node by node: compares the volumes its pods use with the VolumeAttachments there are.

All state is in the API.  An attachment's name follows from volume and node, so that it cannot be made twice, and a
controller that was stopped at any point goes on from what it finds.  Only the wait before a volume is taken from a node
by force starts anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from api.core_v1 import Node, PersistentVolume, PersistentVolumeClaim, Pod
from api.errors import AlreadyExists, NotFound
from api.meta_v1 import ObjectMeta, PartialObjectMetadata
from api.scheme import resource_of_kind
from client.controller import Controller, Key, NotYet, Watches, nothing
from client.store import Store, key_of
from controller_manager.attach_detach.csi_volume import (
    Wanted,
    attachment_name,
    is_healthy,
    is_managed,
    is_out_of_service,
    may_be_on_many_nodes,
    multi_attach_message,
    reported,
    unique_name,
    uses_its_volumes,
)
from controller_manager.node_lifecycle.controller import NODE_INDEX, by_node
from controller_manager.pod_state import is_finished
from controller_manager.storage_protection import CLAIM_INDEX, claims_of
from controller_manager.written import LastWritten

if TYPE_CHECKING:
    from api.storage_v1 import CSIDriver, VolumeAttachment

_ATTACHMENTS = resource_of_kind("storage.k8s.io/v1", "VolumeAttachment")
_LOOK = "/"
"""The key that stands for no node: attachments have come up."""
_REMEMBERED = 1000


class AttachDetachController(Controller):
    """Looks at attachments and drivers only once there are any, or a pod needs one."""

    name = "persistentvolume-attach-detach-controller"
    workers = 1

    def __init__(self, *common: Any, force_detach: bool = True, longest_unmount: float = 360.0) -> None:
        """`longest_unmount`: seconds that a node which is not well has to let go of a volume before it is taken by
        force, where `force_detach` allows that."""
        self._force, self._longest = force_detach, longest_unmount
        self._opened: tuple[Store[VolumeAttachment], Store[CSIDriver]] | None = None
        self._unwanted_since: dict[str, float] = {}
        self._made: LastWritten[VolumeAttachment] | None = None
        self._told: set[tuple[str, str]] = set()
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.nodes = watch(Node, enqueue=self._node_changed)
        self.pods = watch(Pod, enqueue=_nodes_of, indexers={NODE_INDEX: by_node, CLAIM_INDEX: claims_of})
        self.claims = watch(PersistentVolumeClaim, enqueue=self._claim_changed)
        self.volumes = watch(PersistentVolume, enqueue=self._volume_changed)
        watch(PartialObjectMetadata, resource=_ATTACHMENTS, enqueue=self._attachments_came_up)

    def _node_changed(self, old: Node | None, new: Node | None) -> Iterable[Key]:
        if self._opened is not None:
            node = new or old
            assert node is not None
            yield node.metadata.name

    def _claim_changed(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> Iterable[Key]:
        """A pod may be on its node before its claim is bound."""
        if new is not None and (old is None or old.spec.volumeName != new.spec.volumeName):
            yield from {pod.spec.nodeName for pod in self.pods.by_index(CLAIM_INDEX, key_of(new))} - {""}

    def _volume_changed(self, old: PersistentVolume | None, new: PersistentVolume | None) -> Iterable[Key]:
        """A pod and its claim may be seen before the volume is, or before it says whose it is."""
        if new is not None and (old is None or old.spec.claimRef != new.spec.claimRef):
            yield from {pod.spec.nodeName for pod in self._users(new.metadata.name)}

    def _attachments_came_up(self, old: Any, new: Any) -> Iterable[Key]:
        if self._opened is None:
            yield _LOOK

    def _attachment_changed(self, old: VolumeAttachment | None, new: VolumeAttachment | None) -> Iterable[Key]:
        attachment = new or old
        assert attachment is not None
        yield attachment.spec.nodeName
        if new is None:  # others may have waited for the volume
            if self._made is not None:
                self._made.deleted(attachment)
            yield from {pod.spec.nodeName for pod in self._users(attachment.spec.source.persistentVolumeName or "")}

    def _users(self, name: str) -> list[Pod]:
        """Pods that use a volume, wherever they are."""
        volume = self.volumes.get(name)
        reference = volume.spec.claimRef if volume is not None else None
        if reference is None:
            return []
        pods = self.pods.by_index(CLAIM_INDEX, f"{reference.namespace}/{reference.name}")
        return [pod for pod in pods if pod.spec.nodeName and uses_its_volumes(pod, self.nodes.get(pod.spec.nodeName))]

    async def _open(self) -> tuple[Store[VolumeAttachment], Store[CSIDriver]]:
        if self._opened is None:
            from api.storage_v1 import CSIDriver, VolumeAttachment

            drivers = await self.watch_too(CSIDriver, enqueue=nothing)
            attachments = await self.watch_too(VolumeAttachment, enqueue=self._attachment_changed)
            self._made, self._opened = LastWritten(attachments), (attachments, drivers)
        return self._opened

    async def reconcile(self, key: Key) -> None:
        if key == _LOOK:
            await self._open()
            return
        if self._opened is None and (not self._wanted(key) or self._is_unmanaged(key)):
            return
        attachments, drivers = await self._open()
        if self._is_unmanaged(key):
            return
        node = self.nodes.get(key)  # which may have come up while the collections were opened
        wanted = {name: each for name, each in self._wanted(key).items() if _must_be_attached(each.volume, drivers)}
        here = {name: each for each in attachments if each.spec.nodeName == key and (name := self._made_here(each))}
        leaving = {name for name in here if name not in wanted and self._may_leave(node, name, here[name])}
        if node is not None:
            await self._report(node, wanted, here, leaving)
            leaving -= await self._used_meanwhile(node, [name for name in leaving if not _is_going(here[name])])
        for name in leaving:
            await self._detach(here[name])
        unsure: list[str] = []
        for name, each in wanted.items():
            if name in here:
                self._unwanted_since.pop(here[name].metadata.name, None)
                self._tell_failure(each, here[name])
            elif node is not None and self._may_be_elsewhere(each.volume, key):
                unsure.append(name)
            elif node is not None:
                await self._attach(each, key, attachments)
        if unsure:
            raise NotYet(f"the cache has not seen where {unsure} were attached")

    def _is_unmanaged(self, name: str) -> bool:
        """Whether the kubelet of that node attaches its volumes by itself."""
        node = self.nodes.get(name)
        return node is not None and not is_managed(node)

    def _wanted(self, node: str) -> dict[str, Wanted]:
        """The CSI volumes that pods of a node use, by name."""
        found: dict[str, Wanted] = {}
        for pod in self.pods.by_index(NODE_INDEX, node):
            if not uses_its_volumes(pod, self.nodes.get(node)):
                continue
            for claim_key in claims_of(pod):
                claim = self.claims.get(claim_key)
                volume = self.volumes.get(claim.spec.volumeName) if claim is not None else None
                if claim is None or volume is None or volume.spec.csi is None or volume.spec.claimRef is None:
                    continue
                if volume.spec.claimRef.uid == claim.metadata.uid:
                    found.setdefault(volume.metadata.name, Wanted(volume)).pods.append(pod)
        return found

    def _made_here(self, attachment: VolumeAttachment) -> str:
        """The volume of an attachment that is this controller's, which its name tells; those that others made for
        purposes of their own are left alone."""
        node, name = attachment.spec.nodeName, attachment.spec.source.persistentVolumeName or ""
        volume = self.volumes.get(name)
        if volume is None or volume.spec.csi is None or attachment.metadata.name != attachment_name(volume, node):
            return ""
        return name

    # --- attaching -------------------------------------------------------------------------------

    def _may_be_elsewhere(self, volume: PersistentVolume, node: str) -> bool:
        """Whether it was attached to another node a moment ago, of which the local copy does not know yet."""
        assert self._made is not None
        is_shown = self._made.is_shown(volume.metadata.name, self.queue.failures(node))
        return not is_shown and not may_be_on_many_nodes(volume)

    async def _attach(self, wanted: Wanted, node: str, attachments: Iterable[VolumeAttachment]) -> None:
        from api.storage_v1 import VolumeAttachment, VolumeAttachmentSource, VolumeAttachmentSpec

        volume = wanted.volume
        name = volume.metadata.name
        elsewhere = {a.spec.nodeName for a in attachments if a.spec.source.persistentVolumeName == name} - {node}
        if elsewhere and not may_be_on_many_nodes(volume):
            self._refuse(wanted, elsewhere)
            return
        assert volume.spec.csi is not None
        attachment = VolumeAttachment(
            metadata=ObjectMeta(name=attachment_name(volume, node)),
            spec=VolumeAttachmentSpec(
                attacher=volume.spec.csi.driver,
                nodeName=node,
                source=VolumeAttachmentSource(persistentVolumeName=name),
            ),
        )
        assert self._made is not None
        self._made.note(name, attachment)  # even if no answer comes, it may be there
        try:
            await self.client.create(attachment)
        except AlreadyExists:
            return

    def _refuse(self, wanted: Wanted, elsewhere: set[str]) -> None:
        """Say why pods have to wait for a volume."""
        users = [pod for pod in self._users(wanted.volume.metadata.name) if pod.spec.nodeName in elsewhere]
        for pod in wanted.pods:
            self._tell_once(pod, wanted.volume.metadata.uid, multi_attach_message(wanted.volume, pod, users))

    def _tell_failure(self, wanted: Wanted, attachment: VolumeAttachment) -> None:
        error = attachment.status.attachError
        if error is not None and not attachment.status.attached:
            message = f'AttachVolume.Attach failed for volume "{wanted.volume.metadata.name}" : {error.message}'
            for pod in wanted.pods:
                self._tell_once(pod, attachment.metadata.resourceVersion, message)

    def _tell_once(self, pod: Pod, occasion: str, message: str) -> None:
        told = (pod.metadata.uid, occasion)
        if told not in self._told:
            if len(self._told) > _REMEMBERED:
                self._told.clear()
            self._told.add(told)
            self.events.event(pod, "Warning", "FailedAttachVolume", message)

    async def _report(
        self, node: Node, wanted: Mapping[str, Wanted], here: Mapping[str, VolumeAttachment], leaving: set[str]
    ) -> None:
        """Tell the kubelet what is attached.  What is about to be detached is taken back before."""
        attached = {
            unique_name(volume): name
            for name, attachment in here.items()
            if attachment.status.attached
            and name not in leaving
            and not _is_going(attachment)
            and (volume := self.volumes.get(name)) is not None
            and volume.spec.csi is not None
        }
        before = [each.name for each in node.status.volumesAttached]
        now = reported(before, attached)
        if now == before:
            return
        body = {"status": {"volumesAttached": [{"name": name, "devicePath": ""} for name in now]}}
        await self.client.patch(Node, node.metadata.name, "", body, subresource="status")
        for unique in attached.keys() - set(before):
            name = attached[unique]
            for pod in wanted[name].pods if name in wanted else ():
                message = f'AttachVolume.Attach succeeded for volume "{name}" '
                self.events.event(pod, "Normal", "SuccessfulAttachVolume", message)

    # --- detaching -------------------------------------------------------------------------------

    def _may_leave(self, node: Node | None, name: str, attachment: VolumeAttachment) -> bool:
        """Whether a volume that no pod of the node uses can be taken from it now: when the node has unmounted it, or
        cannot be expected to."""
        volume = self.volumes.get(name)
        in_use = (
            node is not None
            and volume is not None
            and volume.spec.csi is not None
            and unique_name(volume) in node.status.volumesInUse
        )
        key = attachment.metadata.name
        if node is None or not in_use or is_out_of_service(node):
            self._unwanted_since.pop(key, None)
            return True
        now = self.clock.monotonic()
        remaining = self._unwanted_since.setdefault(key, now) + self._longest - now
        if remaining > 0:
            self.queue.add_after(node.metadata.name, remaining)
            return False
        return self._force and not is_healthy(node)

    async def _used_meanwhile(self, node: Node, names: Sequence[str]) -> set[str]:
        """Those that the node has mounted since it was last heard of.  It mounts none that is not reported as attached,
        so that the answer holds."""
        volumes = [volume for name in names if (volume := self.volumes.get(name)) and volume.spec.csi is not None]
        if not volumes:
            return set()
        try:
            live = await self.client.get(Node, node.metadata.name)
        except NotFound:
            return set()
        begun = set(live.status.volumesInUse) - set(node.status.volumesInUse)
        return {volume.metadata.name for volume in volumes if unique_name(volume) in begun}

    async def _detach(self, attachment: VolumeAttachment) -> None:
        """Ask for the end of an attachment; its driver detaches and lets it go."""
        self._unwanted_since.pop(attachment.metadata.name, None)
        if not _is_going(attachment):
            meta = attachment.metadata
            try:
                await self.client.delete(type(attachment), meta.name, uid=meta.uid)
            except NotFound:
                return


def _is_going(attachment: VolumeAttachment) -> bool:
    return attachment.metadata.deletionTimestamp is not None


def _must_be_attached(volume: PersistentVolume, drivers: Store[CSIDriver]) -> bool:
    """Drivers attach unless they say that they need not."""
    assert volume.spec.csi is not None
    driver = drivers.get(volume.spec.csi.driver)
    return driver is None or driver.spec.attachRequired is not False


def _nodes_of(old: Pod | None, new: Pod | None) -> Iterator[Key]:
    """The node of a pod with claims, when it came, ended or went."""
    pod = new or old
    if pod is None or not pod.spec.nodeName or not any(claims_of(pod)):
        return
    if old is None or new is None or old.spec.nodeName != new.spec.nodeName or is_finished(old) != is_finished(new):
        yield pod.spec.nodeName

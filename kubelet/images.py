"""Has the image of a container at hand, as `imagePullPolicy` asks.

See https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy.
"""

from __future__ import annotations

from datetime import timedelta

from api.core_v1 import Container, Pod
from kubelet.backoff import go_duration
from kubelet.host import Host
from kubelet.pod_view import Waiting
from kubelet.runtime.protocol import Image, ImageCannotRun

ALWAYS, NEVER = "Always", "Never"


async def ensure_image(host: Host, pod: Pod, container: Container, reported: Waiting | None) -> Image | Waiting:
    """The image, or why the container has to wait for it; tells the pod's events.

    `reported` is what the container already waits for: the same back-off is not told twice.
    """
    name = container.image
    present = await host.runtime.image_status(name) if container.command or container.imagePullPolicy == NEVER else None
    # A runtime that keeps no images (size 0) has nothing to pull again: what it runs is what is there.
    if present is not None and (container.imagePullPolicy != ALWAYS or not present.size):
        message = f'Container image "{name}" already present on machine and can be accessed by the pod'
        host.tell(pod, "Normal", "Pulled", message, container.name)
        return present
    if container.imagePullPolicy == NEVER:
        message = f'Container image "{name}" is not present with pull policy of Never'
        host.tell(pod, "Warning", "ErrImageNeverPull", message, container.name)
        host.tell(pod, "Warning", "Failed", "Error: ErrImageNeverPull", container.name)
        return Waiting("ErrImageNeverPull", message)
    key = f"{pod.metadata.uid}_{name}"
    now = host.clock.now()
    if host.image_retries.waiting(key) > 0:
        return _back_off(host, pod, container, reported)
    host.tell(pod, "Normal", "Pulling", f'Pulling image "{name}"', container.name)
    try:
        image = await host.runtime.pull_image(
            name, command=container.command, always=container.imagePullPolicy == ALWAYS
        )
    except ImageCannotRun as error:
        host.image_retries.next(key, now)
        host.tell(pod, "Warning", "Failed", f'Failed to pull image "{name}": {error.message}', container.name)
        host.tell(pod, "Warning", "Failed", "Error: ErrImagePull", container.name)
        return Waiting("ErrImagePull", error.message)
    took = go_duration(timedelta(milliseconds=round((host.clock.now() - now).total_seconds() * 1000)))
    message = (
        f'Successfully pulled image "{name}" in {took} ({took} including waiting). Image size: {image.size} bytes.'
    )
    host.tell(pod, "Normal", "Pulled", message, container.name)
    return image


def _back_off(host: Host, pod: Pod, container: Container, reported: Waiting | None) -> Waiting:
    message = f'Back-off pulling image "{container.image}"'
    cause = reported.message.removeprefix(message + ": ErrImagePull: ") if reported is not None else ""
    if reported is None or reported.reason != "ImagePullBackOff":
        host.tell(pod, "Normal", "BackOff", message, container.name)
        host.tell(pod, "Warning", "Failed", "Error: ImagePullBackOff", container.name)
    return Waiting("ImagePullBackOff", f"{message}: ErrImagePull: {cause}" if cause else message)

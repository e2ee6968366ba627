"""What a kind of volume has to provide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from api.authentication_v1 import TokenRequest
from api.core_v1 import Pod, Volume
from kubelet.environment import Configuration


class VolumeError(Exception):
    """The volume cannot be set up (now); the message goes into the FailedMount event."""


class Tokens(Protocol):
    """Where service account tokens come from."""

    async def token(self, pod: Pod, audience: str, expiration_seconds: int) -> TokenRequest:
        """A token bound to the pod, kept until it needs to be renewed.  Raises api.errors.StatusError."""
        ...


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """What the kinds of volumes need to know of their node."""

    configuration: Configuration
    tokens: Tokens
    allocatable: Mapping[str, str]
    host_ips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PayloadFile:
    """A file to project: content, and permission bits."""

    data: bytes
    mode: int
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """The files of a volume that is written by the kubelet, by relative path.

    `renew_at` is when they have to be computed again although no object changes (tokens expire).
    """

    files: Mapping[str, PayloadFile]
    renew_at: datetime | None = None


class PayloadPlugin(Protocol):
    """A volume that shows data of the API as files, and follows its changes."""

    async def payload(self, pod: Pod, volume: Volume, context: VolumeContext) -> Payload:
        """Raises VolumeError."""
        ...


class DirectoryPlugin(Protocol):
    """A volume that is a place on the node."""

    def set_up(self, pod: Pod, volume: Volume, directory: Path) -> Path:
        """Make it usable and say where it is; `directory` is the volume's own folder.  May be called again.

        Raises VolumeError or OSError.
        """
        ...

    def tear_down(self, directory: Path) -> None:
        """Undo what `set_up` did beyond files below `directory`."""
        ...

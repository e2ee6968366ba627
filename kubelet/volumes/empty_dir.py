"""A folder that lives as long as its pod: https://kubernetes.io/docs/concepts/storage/volumes/#emptydir."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from api import quantity
from api.core_v1 import Pod, Volume

_MNT_DETACH = 2


class EmptyDirVolume:
    """Medium "Memory" is a tmpfs where the kubelet may mount one (root), a plain folder elsewhere."""

    def set_up(self, pod: Pod, volume: Volume, directory: Path) -> Path:
        source = volume.emptyDir
        assert source is not None
        directory.mkdir(parents=True, exist_ok=True)
        if source.medium == "Memory" and os.geteuid() == 0 and not directory.is_mount():
            size = f"size={quantity.whole(source.sizeLimit)}" if source.sizeLimit else ""
            _mount_tmpfs(directory, size)
        directory.chmod(0o777)
        return directory

    def tear_down(self, directory: Path) -> None:
        if directory.is_mount():
            _system().umount2(os.fsencode(directory), _MNT_DETACH)


def _system() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mount_tmpfs(directory: Path, options: str) -> None:
    """A refused mount (a container without CAP_SYS_ADMIN) leaves a plain folder: best effort."""
    _system().mount(b"tmpfs", os.fsencode(directory), b"tmpfs", 0, options.encode())

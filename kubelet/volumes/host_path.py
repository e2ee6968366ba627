"""A file or folder of the node itself: https://kubernetes.io/docs/concepts/storage/volumes/#hostpath."""

from __future__ import annotations

import stat
from pathlib import Path

from api.core_v1 import Pod, Volume
from kubelet.volumes.plugin import VolumeError


class HostPathVolume:
    def set_up(self, pod: Pod, volume: Volume, directory: Path) -> Path:
        source = volume.hostPath
        assert source is not None
        path, kind = Path(source.path), source.type or ""
        if kind == "DirectoryOrCreate" and not path.exists():
            path.mkdir(parents=True, mode=0o755)
        elif kind == "FileOrCreate" and not path.exists():
            path.touch(mode=0o644)
        _check(path, kind)
        return path

    def tear_down(self, directory: Path) -> None:
        """Nothing: the path is the node's own."""


def _check(path: Path, kind: str) -> None:
    checks = {
        "Directory": (stat.S_ISDIR, "a directory"),
        "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
        "File": (stat.S_ISREG, "a file"),
        "FileOrCreate": (stat.S_ISREG, "a file"),
        "Socket": (stat.S_ISSOCK, "a socket"),
        "CharDevice": (stat.S_ISCHR, "a character device"),
        "BlockDevice": (stat.S_ISBLK, "a block device"),
    }
    if kind not in checks:
        return
    matches, words = checks[kind]
    if not path.exists() or not matches(path.stat().st_mode):
        raise VolumeError(f"hostPath type check failed: {path} is not {words}")

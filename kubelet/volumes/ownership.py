"""Gives what a volume holds to the pod's fsGroup.

https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#configure-volume-permission-and-ownership-change-policy-for-pods
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from api.core_v1 import Pod

_SET_GROUP, _READ_WRITE, _SEARCH = 0o2000, 0o660, 0o110


def group_of(pod: Pod) -> int | None:
    """The group that owns mounted files; only root can give files away."""
    context = pod.spec.securityContext
    return context.fsGroup if context is not None and os.geteuid() == 0 else None


def give_to_group(root: Path, pod: Pod) -> None:
    """Let the pod's group read and write all in a folder, and own what is made there.  Raises OSError.

    With fsGroupChangePolicy OnRootMismatch a folder that is as it should be is not looked into.
    """
    group = group_of(pod)
    if group is None:
        return
    context = pod.spec.securityContext
    found = root.stat()
    wanted = _SET_GROUP | _READ_WRITE | _SEARCH
    settled = found.st_gid == group and found.st_mode & wanted == wanted
    if settled and context is not None and context.fsGroupChangePolicy == "OnRootMismatch":
        return
    for path in _all_in(root):
        mode = path.lstat().st_mode
        os.chown(path, -1, group, follow_symlinks=False)
        if not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) | _READ_WRITE | (_SET_GROUP | _SEARCH if stat.S_ISDIR(mode) else 0))


def _all_in(root: Path) -> Iterator[Path]:
    """The folder comes last: as long as it is not done, the work begins anew."""
    for folder, folders, files in os.walk(root, topdown=False):
        yield from (Path(folder) / name for name in [*files, *folders])
    yield root

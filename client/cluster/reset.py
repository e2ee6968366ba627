"""`nanokube reset`: ends a cluster and erases what it kept."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from client.cluster.data_dir import DataDir
from client.cluster.down import down
from client.cluster.errors import ClusterError

_FILES = ("cluster.json", "run.json", "kubeconfig", "nanokube.pid")
_FOLDERS = ("pki", "kubeconfigs", "logs", "nodes", "run", "volumes")
_PATTERNS = ("state.db*", ".*.json.*")


def reset(data_dir: Path) -> bool:
    """Erase the cluster of that folder; True when there was one.

    Only what a cluster makes is erased, and the folder itself when nothing else is in it.  Raises ClusterError
    when the folder holds no cluster but something else, or cannot be erased.
    """
    data = DataDir(data_dir)
    if not data.root.exists():
        return False
    if not data.root.is_dir():
        raise ClusterError(f"{data.root} is not a folder")
    if not data.settings.exists() and not (data.root / "pki").exists():
        if any(data.root.iterdir()):
            raise ClusterError(f"{data.root} does not look like the folder of a cluster: nothing erased")
        return False
    down(data_dir)
    try:
        for name in _FOLDERS:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(data.root / name)
        for path in [data.root / name for name in _FILES]:
            path.unlink(missing_ok=True)
        for pattern in _PATTERNS:
            for path in data.root.glob(pattern):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            data.root.rmdir()
    except OSError as error:
        raise ClusterError(f"{error.filename} cannot be erased: {error.strerror}") from error
    return True

"""Files that change all at once.

A reader sees either all old files or all new ones: the files live in a folder with a unique name, `..data`
is a link to it, and every visible name is a link through `..data`.  A change writes a new folder and turns
the one link around.  See https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kubelet.volumes.plugin import PayloadFile

DATA = "..data"


def write(directory: Path, files: Mapping[str, PayloadFile], group: int | None = None) -> bool:
    """Make the folder show exactly these files; False when it already did.

    Relative paths may contain folders.  With a group, everything belongs to it.  Raises OSError, and
    ValueError for a path that leads out of the folder.
    """
    for path in files:
        parts = path.split("/")
        if path.startswith("/") or ".." in parts or "" in parts or parts[0].startswith(".."):
            raise ValueError(f"invalid path: {path}")
    if _shows(directory, files):
        return False
    fresh = Path(tempfile.mkdtemp(prefix="..", suffix=".data", dir=directory))
    fresh.chmod(0o755)
    for path, file in files.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        target.chmod(file.mode)
        if file.owner is not None or group is not None:
            os.chown(target, -1 if file.owner is None else file.owner, -1 if group is None else group)
    old = os.readlink(directory / DATA) if (directory / DATA).is_symlink() else ""
    _point(directory / DATA, fresh.name)
    visible = {path.split("/")[0] for path in files}
    for name in visible:
        if not (directory / name).is_symlink():
            _point(directory / name, f"{DATA}/{name}")
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.name not in visible:
            entry.unlink()
    if old:
        shutil.rmtree(directory / old, ignore_errors=True)
    return True


def _point(link: Path, target: str) -> None:
    """Make a link lead elsewhere in one step."""
    temporary = link.with_name(f"..{link.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.rename(link)


def _shows(directory: Path, files: Mapping[str, PayloadFile]) -> bool:
    current = directory / DATA
    if not current.is_dir():
        return False
    present = {str(path.relative_to(current)) for path in current.rglob("*") if path.is_file()}
    if present != set(files):
        return False
    return all(
        (current / path).read_bytes() == file.data and (current / path).stat().st_mode & 0o7777 == file.mode
        for path, file in files.items()
    )

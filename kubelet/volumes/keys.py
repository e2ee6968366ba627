"""Which keys of a ConfigMap or Secret become which files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.core_v1 import KeyToPath
from kubelet.volumes.plugin import PayloadFile, VolumeError

DEFAULT_MODE = 0o644


def files_of(
    data: Mapping[str, bytes], items: Sequence[KeyToPath], default_mode: int, optional: bool
) -> dict[str, PayloadFile]:
    """All keys as files of their names, or the listed items.  Raises VolumeError for a listed key that is missing."""
    if not items:
        return {key: PayloadFile(value, default_mode) for key, value in data.items()}
    files = {}
    for item in items:
        if item.key in data:
            mode = default_mode if item.mode is None else item.mode
            files[item.path.rstrip("/")] = PayloadFile(data[item.key], mode)
        elif not optional:
            raise VolumeError(f"references non-existent config key: {item.key}")
    return files

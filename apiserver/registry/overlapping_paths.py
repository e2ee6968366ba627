"""Files of a pod's volumes that get into each other's way: of two at one place, one is lost.

Kubernetes lets such pods be and warns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from api.core_v1 import PodSpec, VolumeProjection
from api.quoting import quoted


def overlapping_paths(spec: PodSpec) -> Iterator[str]:
    """Warnings about files of one volume at the same place, or at a place that is another's folder."""
    for volume in spec.volumes:
        single: tuple[str, Iterable[str]] | None = None
        if volume.configMap is not None:
            single = f"ConfigMap {quoted(volume.configMap.name)}", (item.path for item in volume.configMap.items)
        elif volume.secret is not None:
            single = f"Secret {quoted(volume.secret.secretName)}", (item.path for item in volume.secret.items)
        elif volume.downwardAPI is not None:
            single = "DownwardAPI", (item.path for item in volume.downwardAPI.items)
        if single is not None:
            what, paths = single
            for clash in _clashes((path, "") for path in paths):
                yield f"volume {quoted(volume.name)} ({what}): overlapping paths: {clash}"
        if volume.projected is not None:
            for source in volume.projected.sources:
                if source == VolumeProjection():
                    yield f"volume {quoted(volume.name)} (Projected) has no sources provided"
            files = [file for source in volume.projected.sources for file in _files(source)]
            for clash in _clashes(files):
                yield f"volume {quoted(volume.name)} (Projected): overlapping paths: {clash}"


def _files(source: VolumeProjection) -> Iterator[tuple[str, str]]:
    """The paths a source is known to fill, each with the name of its source."""
    if source.configMap is not None:
        yield from ((item.path, f"ConfigMap {quoted(source.configMap.name)}") for item in source.configMap.items)
    if source.secret is not None:
        yield from ((item.path, f"Secret {quoted(source.secret.name)}") for item in source.secret.items)
    if source.downwardAPI is not None:
        yield from ((item.path, "DownwardAPI") for item in source.downwardAPI.items)
    if source.serviceAccountToken is not None:
        yield source.serviceAccountToken.path, "ServiceAccountToken"


def _clashes(files: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Each pair of files of which one is, or is below, the other."""
    seen: list[tuple[str, str]] = []
    for path, source in files:
        path = path.rstrip("/")
        for former, its_source in seen:
            if path and former and (f"{former}/".startswith(f"{path}/") or f"{path}/".startswith(f"{former}/")):
                yield f"{_shown(path, source)} with {_shown(former, its_source)}"
        seen.append((path, source))


def _shown(path: str, source: str) -> str:
    return f"{quoted(path)} ({source})" if source else quoted(path)

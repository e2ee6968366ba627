"""What a check of the Pod Security Standards is, and the words in which all of them say what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from api.core_v1 import PodSpec
from api.meta_v1 import ObjectMeta
from apiserver.registry.pod_annotations import all_containers


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, or the template of one."""

    metadata: ObjectMeta
    spec: PodSpec

    @property
    def containers(self) -> Iterator[Any]:
        """Init containers first, ephemeral ones last."""
        return (container for _, container in all_containers(self.spec, ""))

    @property
    def is_windows(self) -> bool:
        return self.spec.os is not None and self.spec.os.name == "windows"

    @property
    def has_own_users(self) -> bool:
        """Whether root in the pod is nobody on the node (KEP-127)."""
        return self.spec.hostUsers is False


@dataclass(frozen=True, slots=True)
class Violation:
    """`reason` alone tells of many pods, with `detail` of one."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})"


CheckFunction = Callable[[Pod], Violation | None]


@dataclass(frozen=True, slots=True)
class Check:
    """`versions` are the minor versions since which a function is the check, the oldest first.  `replaces` names the
    weaker check of the level below that it takes the place of."""

    name: str
    versions: tuple[tuple[int, CheckFunction], ...]
    replaces: str = ""

    def as_of(self, minor: int) -> CheckFunction | None:
        """The check in a version; None before there was one."""
        return next((function for since, function in reversed(self.versions) if since <= minor), None)


def names(values: Iterable[str]) -> str:
    """Each in quotation marks."""
    return ", ".join(f'"{value}"' for value in values)


def one_or_more(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def containers(values: Sequence[str]) -> str:
    return f"{one_or_more('container', len(values))} {names(values)}"


def member(holder: Any, *path: str) -> Any:
    """What a path leads to; None where a part of it is not there."""
    for name in path:
        if holder is None:
            return None
        holder = getattr(holder, name)
    return holder


def set_somewhere(pod: Pod, is_bad: Callable[[Any], bool], *path: str) -> tuple[str, list[Any]]:
    """Looks into the security contexts of the pod and its containers: who sets something bad (empty for nobody), and
    all that is bad."""
    own = member(pod.spec.securityContext, *path)
    found = [(container.name, member(container.securityContext, *path)) for container in pod.containers]
    bad = [(name, value) for name, value in found if value is not None and is_bad(value)]
    values = [value for _, value in bad]
    setters = [containers([name for name, _ in bad])] * bool(bad)
    if own is not None and is_bad(own):
        return " and ".join(["pod", *setters]), [own, *values]
    return "".join(setters), values

"""Semantic versions: `semver('1.2.3').isLessThan(semver('1.10.0'))`.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-semver-library, the versions of https://semver.org/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from cel.errors import EvaluationError
from cel.functions import Library
from cel.types import Type, opaque
from cel.values import Opaque

_SEMVER = opaque("kubernetes.Semver")
_IDENTIFIER = re.compile(r"[0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Semver(Opaque):
    type: ClassVar[Type] = _SEMVER
    numbers: tuple[int, int, int]
    pre_release: tuple[str, ...]

    def compare(self, other: Semver) -> int:
        """Build metadata does not count; a pre-release comes before its release."""
        if self.numbers != other.numbers:
            return 1 if self.numbers > other.numbers else -1
        if not self.pre_release or not other.pre_release:
            return (not self.pre_release) - (not other.pre_release)
        one, two = ([_rank(part) for part in version.pre_release] for version in (self, other))
        return (one > two) - (one < two)


def _rank(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdigit() else (1, 0, part)


def _parse(text: str) -> Semver:
    """Raises ValueError in the words of the Go package that Kubernetes uses."""
    if not text:
        raise ValueError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise ValueError("No Major.Minor.Patch elements found")
    patch, plus, build = parts[2].partition("+")
    patch, minus, pre_release = patch.partition("-")
    numbers = [_number(part, name) for part, name in zip((parts[0], parts[1], patch), _NAMES, strict=True)]
    before = tuple(pre_release.split(".")) if minus else ()
    for part in before:
        if not part:
            raise ValueError("Prerelease is empty")
        if part.isdigit() and len(part) > 1 and part[0] == "0":
            raise ValueError(f'Numeric PreRelease version must not contain leading zeroes "{part}"')
        if not _IDENTIFIER.fullmatch(part):
            raise ValueError(f'Invalid character(s) found in prerelease "{part}"')
    for part in build.split(".") if plus else ():
        if not part:
            raise ValueError("Build meta data is empty")
        if not _IDENTIFIER.fullmatch(part):
            raise ValueError(f'Invalid character(s) found in build meta data "{part}"')
    return Semver((numbers[0], numbers[1], numbers[2]), before)


_NAMES = ("major", "minor", "patch")


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()):
        if not text:
            raise ValueError('strconv.ParseUint: parsing "": invalid syntax')
        raise ValueError(f'Invalid character(s) found in {name} number "{text}"')
    if len(text) > 1 and text[0] == "0":
        raise ValueError(f'{name.capitalize()} number must not contain leading zeroes "{text}"')
    return int(text)


def _normalized(text: str) -> str:
    """Without a leading "v" and zeroes, and with all three numbers."""
    parts = text.removeprefix("v").split(".", 2)
    for at, part in enumerate(parts):
        if len(part) > 1:
            stripped = part.lstrip("0")
            parts[at] = stripped if stripped[:1].isdigit() else "0" + stripped
    if len(parts) < 3:
        if any(mark in parts[-1] for mark in "+-"):
            raise ValueError("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    return ".".join(parts)


def as_semver(text: str, normalize: bool = False) -> Semver:
    try:
        return _parse(_normalized(text) if normalize else text)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def _is_semver(text: str, normalize: bool = False) -> bool:
    try:
        as_semver(text, normalize)
    except EvaluationError:
        return False
    return True


SEMVER = Library()
SEMVER.add_type(_SEMVER)
SEMVER.add("semver", "(string) -> kubernetes.Semver", "(string, bool) -> kubernetes.Semver", call=as_semver)
SEMVER.add("isSemver", "(string) -> bool", "(string, bool) -> bool", call=_is_semver)
SEMVER.add("major", "kubernetes.Semver.() -> int", call=lambda version: version.numbers[0])
SEMVER.add("minor", "kubernetes.Semver.() -> int", call=lambda version: version.numbers[1])
SEMVER.add("patch", "kubernetes.Semver.() -> int", call=lambda version: version.numbers[2])
_SIGNATURE = "kubernetes.Semver.(kubernetes.Semver) -> "
SEMVER.add("isGreaterThan", _SIGNATURE + "bool", call=lambda one, other: one.compare(other) > 0)
SEMVER.add("isLessThan", _SIGNATURE + "bool", call=lambda one, other: one.compare(other) < 0)
SEMVER.add("compareTo", _SIGNATURE + "int", call=lambda one, other: one.compare(other))

"""Paths of files inside volumes: they must not lead out of them."""

from __future__ import annotations

from collections.abc import Iterator

from api.errors import FieldError, invalid_value


def climbs(target: str) -> bool:
    """Whether a path has a step upwards."""
    return ".." in target.split("/")


def validate_climbing(target: str, path: str) -> Iterator[FieldError]:
    if climbs(target):
        yield invalid_value(path, target, "must not contain '..'")


def validate_descending(target: str, path: str) -> Iterator[FieldError]:
    """A path that stays inside the directory it starts from."""
    if target.startswith("/"):
        yield invalid_value(path, target, "must be a relative path")
    yield from validate_climbing(target, path)


def validate_file_path(target: str, path: str) -> Iterator[FieldError]:
    """A path that neither leaves the volume nor collides with how its files are replaced (`..data`)."""
    yield from validate_descending(target, path)
    if target.startswith("..") and not target.startswith("../"):
        yield invalid_value(path, target, "must not start with '..'")

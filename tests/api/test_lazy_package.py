"""Packages are opened when a name of theirs is asked for, and not for one of their modules."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.lazy_package import open_later

NAME = "a_package_with_a_costly_front_door"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "__init__.py").write_text(f"from {NAME}.part import VALUE\nimport {NAME}.costly\nOWN = VALUE + 1\n")
    (folder / "part.py").write_text("VALUE = 1\n")
    (folder / "costly.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield NAME
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def test_a_module_of_it_is_imported_alone(package: str) -> None:
    open_later(package)
    assert importlib.import_module(f"{package}.part").VALUE == 1
    assert f"{package}.costly" not in sys.modules


def test_its_own_names_are_there_when_asked_for(package: str) -> None:
    open_later(package)
    part = importlib.import_module(f"{package}.part")
    opened = importlib.import_module(package)
    assert opened.OWN == 2
    assert f"{package}.costly" in sys.modules
    assert opened.part is part, "what was imported before is not imported again"
    with pytest.raises(AttributeError):
        _ = opened.absent


def test_one_that_is_open_stays_as_it_is(package: str) -> None:
    opened = importlib.import_module(package)
    open_later(package)
    assert sys.modules[package] is opened


def test_one_that_is_not_there() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        open_later("no_such_package")


def test_servers_do_not_load_what_uvicorn_does_not_need_to_serve() -> None:
    loaded = "import sys, apiserver.server, kubelet.process; print('click' in sys.modules, 'uvicorn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["False", "True"]

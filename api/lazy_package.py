"""Packages whose modules are wanted, and not all that the package itself imports when it is asked for any of them."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any


def open_later(name: str) -> None:
    """Let `import NAME.module` import that module only; the package's own `__init__` runs when a name of it is asked
    for.  Does nothing where it has run already.  Raises ModuleNotFoundError.

    A package may import all it has for those who want a part of it; a program whose start counts pays for the rest.
    """
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    package, loader = importlib.util.module_from_spec(spec), spec.loader

    def run(attribute: str) -> Any:
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, attribute)

    package.__dict__["__getattr__"] = run
    sys.modules[name] = package

"""Regular expressions: `find`, `findAll`, and the matcher of `matches`.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-regex-library.  RE2 matches in time linear in the text,
whatever the pattern: Python's own engine could be kept busy for ever by a pattern that a user chose.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import Any

from api import go_patterns
from cel.errors import EvaluationError
from cel.functions import Library
from cel.time_limit import check


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """Raises EvaluationError with Go's words."""
    why = go_patterns.pattern_error(pattern)
    if why is not None:
        raise EvaluationError(why)
    return go_patterns.compiled(pattern)


def search(pattern: str, text: str) -> bool:
    """Whether the pattern matches anywhere in the text."""
    return compiled(pattern).search(text) is not None


def _find(text: str, pattern: str) -> str:
    found = compiled(pattern).search(text)
    return "" if found is None else str(found[0])


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found: list[str] = []
    for match in islice(compiled(pattern).finditer(text), limit if limit >= 0 else None):
        check()
        found.append(match[0])
    return found


REGEX = Library()
REGEX.add("find", "string.(string) -> string", call=_find)
REGEX.add("findAll", "string.(string) -> list(string)", "string.(string, int) -> list(string)", call=_find_all)

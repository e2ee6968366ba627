"""Which of two versions of an API comes first, by their names.

v10, v2, v1, v11beta2, v10beta3, v3beta1, v12alpha1, foo1, foo10:
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#version-priority
"""

from __future__ import annotations

import re

_VERSION = re.compile(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?")
_MATURITY = {"alpha": 2, "beta": 1, None: 0}


def version_rank(name: str) -> tuple[int, int, int, str]:
    """A sort key: the smaller, the earlier."""
    match = _VERSION.fullmatch(name)
    if match is None:
        return (len(_MATURITY), 0, 0, name)
    return (_MATURITY[match[2]], -int(match[1]), -int(match[3] or 0), "")

"""How a front proxy says for whom it asks.

https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/#original-request-username-and-group
"""

from __future__ import annotations

import re
from urllib.parse import quote

from apiserver.request import User

_NOT_IN_NAMES = re.compile(r"[^!#$&'*+.^_`|~0-9A-Za-z-]")
"""What cannot be in a header's name, and the % that stands for it."""


def identity_headers(user: User) -> list[tuple[bytes, bytes]]:
    """The headers that name a user: X-Remote-User, -Uid, -Group and -Extra-*."""
    headers = [(b"x-remote-user", user.name.encode())]
    if user.uid:
        headers.append((b"x-remote-uid", user.uid.encode()))
    headers += [(b"x-remote-group", group.encode()) for group in user.groups]
    for key, values in user.extra.items():
        name = b"x-remote-extra-" + _NOT_IN_NAMES.sub(lambda found: quote(found[0], safe=""), key).encode()
        headers += [(name, value.encode()) for value in values]
    return headers

"""How many seats a request takes.

Lists take one for every hundred objects they go through, as Kubernetes reckons by default, up to ten and to a part of
the level's seats.  Writes take one: telling watchers of a change, for which Kubernetes adds seats, is done here before
the write is answered and so is part of the time that it holds its seat.
"""

from __future__ import annotations

from apiserver.flow_control.priority_level import PriorityLevel
from apiserver.request import Request
from apiserver.storage.watch_cache import WatchCache, key_prefix

_OBJECTS_PER_SEAT = 100
_MOST = 10
_MOST_OF_LEVEL = 0.15


def width(request: Request, level: PriorityLevel, cache: WatchCache) -> int:
    """At least 1."""
    info = request.info
    if info.verb != "list" and not (info.verb == "watch" and request.flag("sendInitialEvents")):
        return 1
    if level.exempt or info.object_name or not info.is_resource:
        return 1
    objects = cache.count(key_prefix(f"{info.resource}.{info.group}" if info.group else info.resource), info.namespace)
    limit = request.query.get("limit", "")
    if info.verb == "list" and limit.isdigit() and int(limit):
        objects = min(objects, int(limit))
    most = min(_MOST, max(1, int(level.limits.nominal * _MOST_OF_LEVEL)))
    return min(max(1, -(-objects // _OBJECTS_PER_SEAT)), most)

"""What `/metrics` says of objects and watches, counted when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator

from api.process_usage import usage
from apiserver.endpoint import API


def watch_events(api: API) -> Iterator[str]:
    yield "# TYPE apiserver_watch_events_total counter"
    for (group, version, resource), count in sorted(api.watch_events.items()):
        yield f'apiserver_watch_events_total{{group="{group}",resource="{resource}",version="{version}"}} {count}'


def of_process(started: float) -> Iterator[str]:
    for name, kind, value in usage(started):
        yield f"# TYPE {name} {kind}"
        yield f"{name} {value}"


def object_counts(api: API) -> Iterator[str]:
    yield "# TYPE apiserver_storage_objects gauge"
    built_in = [each for each in api.endpoints.values() if each.owns_storage and each.resource.is_stored]
    # A custom resource counts once, however many versions it has.
    prefixes = {each.resource.group_resource: each.prefix for each in (*built_in, *api.custom.values())}
    for resource, prefix in prefixes.items():
        yield f'apiserver_storage_objects{{resource="{resource}"}} {api.cache.count(prefix)}'

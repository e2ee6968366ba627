"""What `/metrics` says of objects and watches, counted when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apiserver.endpoint import API, Endpoint


def watch_events(api: API) -> Iterator[str]:
    yield "# TYPE apiserver_watch_events_total counter"
    for (group, version, resource), count in sorted(api.watch_events.items()):
        yield f'apiserver_watch_events_total{{group="{group}",resource="{resource}",version="{version}"}} {count}'


def object_counts(endpoints: Sequence[Endpoint]) -> Iterator[str]:
    yield "# TYPE apiserver_storage_objects gauge"
    for endpoint in endpoints:
        if endpoint.owns_storage and endpoint.resource.is_stored:
            count = endpoint.cache.count(endpoint.prefix)
            yield f'apiserver_storage_objects{{resource="{endpoint.resource.group_resource}"}} {count}'

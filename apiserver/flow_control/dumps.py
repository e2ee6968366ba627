"""`/debug/api_priority_and_fairness/*`: what waits and runs at this moment, as tables of text.

https://kubernetes.io/docs/reference/debug-cluster/flow-control/
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from apiserver.flow_control.priority_level import PriorityLevel

Row = Sequence[object]
_NARROWEST = 8


def dump(
    which: str, levels: Collection[PriorityLevel], monotonic: float, now: datetime, *, details: bool
) -> str | None:
    """The table of that name, None for another.  `monotonic` is the levels' clock at the time `now`; `details` says of
    requests what they ask for."""
    ordered = sorted(levels, key=lambda level: level.name)
    if which == "dump_requests":
        return _table(_requests(ordered, lambda at: now - timedelta(seconds=monotonic - at), details))
    rows = {"dump_priority_levels": _levels, "dump_queues": _queues}.get(which)
    return None if rows is None else _table(rows(ordered))


def _levels(levels: Sequence[PriorityLevel]) -> Iterator[Row]:
    yield ("PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests")
    for level in levels:
        active = sum(bool(queue.waiting) for queue in level.queues)
        idle = not level.waiting and not level.executing
        yield (level.name, active, _bool(idle), _bool(level.quiescing), level.waiting, level.executing)


def _queues(levels: Sequence[PriorityLevel]) -> Iterator[Row]:
    yield (
        "PriorityLevelName", "Index", "PendingRequests", "ExecutingRequests", "SeatsInUse", "NextDispatchR",
        "InitialSeatsSum", "MaxSeatsSum", "TotalWorkSum",
    )  # fmt: skip
    for level in levels:
        for queue in level.queues if not level.exempt else ():
            yield (
                level.name, queue.index, len(queue.waiting), queue.executing, queue.seats_in_use,
                f"{queue.virtual_start:.8f}ss", queue.seats_waiting, queue.seats_waiting,
                f"{sum(ticket.work for ticket in queue.waiting):.8f}ss",
            )  # fmt: skip


def _requests(levels: Sequence[PriorityLevel], at: Callable[[float], datetime], details: bool) -> Iterator[Row]:
    more = ("UserName", "Verb", "APIPath", "Namespace", "Name", "APIVersion", "Resource", "SubResource")
    yield (
        "PriorityLevelName", "FlowSchemaName", "QueueIndex", "RequestIndexInQueue", "FlowDistingsher", "ArriveTime",
        "InitialSeats", "FinalSeats", "AdditionalLatency", *(more if details else ()),
    )  # fmt: skip
    for level in levels:
        for queue in level.queues:
            for index, ticket in enumerate(queue.waiting):
                arrived = at(ticket.arrived).astimezone(UTC).strftime("%FT%T.%fZ")
                flow = ticket.flow
                row: tuple[object, ...] = (
                    level.name, flow.schema, queue.index, index, flow.distinguisher, arrived, ticket.width, 0, "0s",
                )  # fmt: skip
                if details and ticket.request is not None:
                    info = ticket.request.info
                    version = f"{info.group}/{info.version}" if info.group else info.version
                    row += (ticket.request.user.name, info.verb, info.path, info.namespace, info.object_name, version,
                            info.resource, info.subresource)  # fmt: skip
                yield row


def _bool(value: bool) -> str:
    return str(value).lower()


def _table(rows: Iterator[Row]) -> str:
    """Columns as wide as what is widest in them."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(_NARROWEST, *(len(row[i]) + 2 for row in cells if i < len(row))) for i in range(len(cells[0]))]
    lines = []
    for row in cells:
        padded = [f"{cell},".ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("".join([*padded, row[-1]]))
    return "\n".join(lines) + "\n"

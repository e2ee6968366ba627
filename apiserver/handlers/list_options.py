"""The parameters of reading collections: which objects, at which version, how many, and whether to go on watching.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from api.errors import BadRequest, FieldError, Timeout, forbidden, invalid, invalid_value, not_supported
from api.meta_v1 import StatusCause, StatusDetails
from api.selectors import FieldMatcher, LabelMatcher, SelectorError
from apiserver.handlers.parameters import integer
from apiserver.storage.entry import Entry
from apiserver.storage.index import Term
from apiserver.storage.protocol import Revision


@dataclass(frozen=True, slots=True)
class ListOptions:
    """`resource_version` is kept as text: unset and "0" differ.  `limit` 0 means no limit.

    `timeout` is in seconds, None when the client leaves it to the server.
    """

    labels: LabelMatcher = field(default_factory=LabelMatcher)
    fields: FieldMatcher = field(default_factory=FieldMatcher)
    limit: int = 0
    continue_: str = ""
    resource_version: str = ""
    match: str = ""
    watch: bool = False
    bookmarks: bool = False
    send_initial_events: bool | None = None
    timeout: int | None = None

    @property
    def selects(self) -> bool:
        """Whether some objects might be left out."""
        return not (self.labels.empty and self.fields.empty)

    @property
    def terms(self) -> list[Term]:
        """The conditions that ask for one value of a label or field, which an index can answer."""
        labels: list[Term] = [("label", key, value) for key, value in self.labels.equalities()]
        fields: list[Term] = [("field", t.field, t.value) for t in self.fields.terms if not t.negated]
        return labels + fields

    def matches(self, entry: Entry) -> bool:
        return self.labels.matches(entry.labels) and self.fields.matches(entry.fields)


def list_options(
    query: Mapping[str, str], field_problem: Callable[[str], str] = lambda _: "", *, watch: bool = False
) -> ListOptions:
    """Read and check the parameters of a list or watch.

    `field_problem` refuses the fields that the kind's objects cannot be selected by (see `Endpoint.field_problem`);
    `watch` is said of the deprecated paths that watch without saying so in the query.
    Raises BadRequest, Invalid.
    """
    timeout, limit = integer(query, "timeoutSeconds"), integer(query, "limit")  # refused before any selector
    options = ListOptions(
        labels=_labels(query.get("labelSelector", "")),
        fields=_fields(query.get("fieldSelector", ""), field_problem),
        limit=limit or 0,
        continue_=query.get("continue", ""),
        resource_version=query.get("resourceVersion", ""),
        match=query.get("resourceVersionMatch", ""),
        watch=_flag(query, "watch") or False,
        bookmarks=_flag(query, "allowWatchBookmarks") or False,
        send_initial_events=_flag(query, "sendInitialEvents"),
        timeout=timeout,
    )
    errors = list(_problems(options))
    if errors:
        raise invalid("meta.k8s.io", "ListOptions", "", errors)
    return replace(options, watch=True) if watch else options


def _flag(query: Mapping[str, str], name: str) -> bool | None:
    """Kubernetes reads any value but "false" and "0" as true, an empty one too."""
    value = query.get(name)
    return None if value is None else value.lower() not in ("false", "0")


def _labels(text: str) -> LabelMatcher:
    try:
        return LabelMatcher.parse(text)
    except SelectorError as error:
        raise BadRequest(str(error)) from None


def _fields(text: str, field_problem: Callable[[str], str]) -> FieldMatcher:
    if not text:
        return FieldMatcher()
    try:
        matcher = FieldMatcher.parse(text)
    except SelectorError as error:
        raise BadRequest(str(error)) from None
    for term in matcher.terms:
        if problem := field_problem(term.field):
            raise BadRequest(problem)
    return matcher


def _problems(options: ListOptions) -> Iterator[FieldError]:
    """https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list"""
    if options.watch:
        yield from _watch_problems(options)
        return
    match, where = options.match, "resourceVersionMatch"
    if match:
        if not options.resource_version:
            yield forbidden(where, "resourceVersionMatch is forbidden unless resourceVersion is provided")
        if options.continue_:
            yield forbidden(where, "resourceVersionMatch is forbidden when continue is provided")
        if match not in ("Exact", "NotOlderThan"):
            yield _unsupported(match, "Exact", "NotOlderThan", "")
        if match == "Exact" and options.resource_version == "0":
            yield forbidden(where, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if options.send_initial_events is not None:
        yield forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")


def _watch_problems(options: ListOptions) -> Iterator[FieldError]:
    match, where = options.match, "resourceVersionMatch"
    if options.send_initial_events is not None:
        if match != "NotOlderThan":
            yield forbidden(where, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
            if match:
                yield _unsupported(match, "NotOlderThan")
    elif match:
        yield forbidden(where, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
        if match != "NotOlderThan":
            yield _unsupported(match, "NotOlderThan")
    if options.continue_:
        yield forbidden(where, "resourceVersionMatch is forbidden when continue is provided")


def _unsupported(match: str, *supported: str) -> FieldError:
    return not_supported("resourceVersionMatch", match, supported)


def parse_resource_version(text: str) -> Revision:
    """ "" is 0.  Raises ValueError with Go's words for what is no unsigned 64-bit number."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        why = "invalid syntax"
    elif int(text) >= 2**64:
        why = "value out of range"
    else:
        return int(text)
    problem = invalid_value("resourceVersion", text, f'strconv.ParseUint: parsing "{text}": {why}')
    raise ValueError(str(problem))


def too_large(asked: Revision, current: Revision) -> Timeout:
    """The version asked for has not been reached: the client may try again in a second."""
    cause = StatusCause(reason="ResourceVersionTooLarge", message="Too large resource version")
    return Timeout(
        f"Timeout: Too large resource version: {asked}, current: {current}",
        StatusDetails(causes=[cause], retryAfterSeconds=1),
    )


def check_read_version(text: str, current: Revision) -> None:
    """The `resourceVersion` of a GET: any version that has been reached is served with the newest object.

    Raises BadRequest for one that is no number, where Kubernetes stumbles with 500, and Timeout for one of the future.
    """
    try:
        asked = parse_resource_version(text)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    if asked > current:
        raise too_large(asked, current)

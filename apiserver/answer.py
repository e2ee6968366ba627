"""Answers: a status, a body in the form the client asked for, warnings."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import orjson

from api.errors import NotAcceptable, NotFound, StatusError
from apiserver.negotiation import JSON, PLAIN, PROTOBUF, MediaType, negotiate
from apiserver.request import Request, Send

TEXT = "text/plain; charset=utf-8"
PAGE_NOT_FOUND = b"404 page not found\n"
_GZIP_FROM = 128 * 1024  # bytes; below it compressing costs more than sending


class PageNotFound(NotFound):
    """The path leads nowhere: to no built-in group and no endpoint.  Kubernetes says so without a Status."""

    def __init__(self) -> None:
        super().__init__("404 page not found")


@dataclass(slots=True)
class Answer:
    """`body` is already encoded, `parts` is such a body in pieces; `document` is encoded for the client when sent.

    One of them is given.  Pieces of some 100 kB are sent one after the other, as fast as the client takes them: a
    list of megabytes is never copied as a whole, and the processor's cache holds what is on its way.
    """

    status: int = 200
    body: bytes | None = None
    parts: Sequence[bytes] = ()
    document: Any = None
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, send: Send, request: Request, media: MediaType = PLAIN) -> None:
        if request.audit is not None:
            request.audit.answered(self)
        parts, content_type = self.parts, self.content_type
        if media.type == JSON and not media.pretty and wants_pretty(request):
            media = replace(media, pretty=True)
        as_is = media.type == JSON and not media.pretty
        if self.document is not None:
            parts, content_type = [media.encode(self.document)], media.type
        elif self.body is not None:
            parts = [self.body]
        if self.document is None and content_type == JSON and not as_is:
            # Lists take long: others go on meanwhile.
            encode = partial(_in_other_form, media, parts)
            parts = [await asyncio.to_thread(encode) if self.parts else encode()]
            content_type = media.type
        headers = [
            (b"content-type", content_type.encode()),
            (b"audit-id", request.audit_id.encode()),
            (b"cache-control", b"no-cache, private"),
            *request.answer_headers,
        ]
        length = sum(map(len, parts))
        if length >= _GZIP_FROM and b"gzip" in request.headers.get(b"accept-encoding", b""):
            parts = [await asyncio.to_thread(_gzipped, parts)]  # megabytes take long: others go on meanwhile
            length = len(parts[0])
            headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
        if self.headers:
            headers += [(name.encode(), value.encode()) for name, value in self.headers.items()]
        if request.warnings:
            headers += [(b"warning", value.encode()) for value in warning_headers(request.warnings)]
        headers.append((b"content-length", b"%d" % length))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if request.method == "HEAD":
            parts = ()
        for part in parts[:-1]:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": parts[-1] if parts else b""})


def _in_other_form(media: MediaType, parts: Sequence[bytes]) -> bytes:
    text = b"".join(parts)
    if media.type == PROTOBUF:
        from apiserver import protobuf

        return protobuf.encode_json(text)
    return media.encode(orjson.loads(text))


def _gzipped(parts: Sequence[bytes]) -> bytes:
    compressor = zlib.compressobj(level=1, wbits=zlib.MAX_WBITS | 16)
    return b"".join([*map(compressor.compress, parts), compressor.flush()])


_WARNINGS_LIMIT = 4 * 1024
"""Characters of all warnings of an answer; where there are more, each is cut off and then the rest left out."""
_WARNING_CUT = 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def wants_pretty(request: Request) -> bool:
    """Whether a person reads the answer: it says so in the query, or is a browser, curl or wget."""
    asked = request.query.get("pretty")
    if asked:
        return asked in ("1", "t", "T", "true", "TRUE", "True")
    return request.headers.get(b"user-agent", b"").startswith((b"curl", b"Wget", b"Mozilla/5.0"))


def warning_headers(warnings: Iterable[str]) -> list[str]:
    """`Warning` headers as RFC 7234 writes them: code 299, no agent, the text quoted.  Each text once.

    A text with a control character cannot stand in a header and is left out.
    """
    texts = [text for text in dict.fromkeys(warnings) if not _CONTROL.search(text)]
    if sum(map(len, texts)) > _WARNINGS_LIMIT:
        texts = [text[:_WARNING_CUT] for text in texts]
    quoted, size = [], 0
    for text in texts:
        if size >= _WARNINGS_LIMIT:
            break
        size += len(text)
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        quoted.append(f'299 - "{escaped}"')
    return quoted


def refusal(error: StatusError) -> Answer:
    """The answer that carries an error."""
    if isinstance(error, PageNotFound):
        headers = {"X-Content-Type-Options": "nosniff"}
        return Answer(404, body=PAGE_NOT_FOUND, content_type=TEXT, headers=headers)
    document: Mapping[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, **error.status().to_dict()}
    headers = {}
    if error.details is not None and error.details.retryAfterSeconds:
        headers["Retry-After"] = str(error.details.retryAfterSeconds)
    return Answer(error.http_code, document=document, headers=headers)


def readable(accept: str) -> MediaType:
    """The form of an error for a client: YAML for those who read only that, else JSON, acceptable or not."""
    try:
        media = negotiate(accept, protobuf=True)
    except NotAcceptable:
        return PLAIN
    return MediaType(media.type, pretty=media.pretty)


async def send_refusal(error: StatusError, request: Request, send: Send) -> None:
    await refusal(error).send(send, request, readable(request.header("accept")))

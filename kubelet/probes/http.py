"""A GET that is answered with a status from 200 to 399."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from api.core_v1 import Container, HTTPGetAction
from kubelet.http_get import PortError, Target, bracketed, go_error, http_get, target_of
from kubelet.probes.outcome import Outcome

_REDIRECTS = 10


async def probe_http(action: HTTPGetAction, container: Container, pod_ip: str) -> Outcome:
    """Redirects are followed only to the same host; one that leads elsewhere is a success."""
    try:
        target = target_of(action, container, pod_ip)
    except PortError as error:
        return Outcome(False, str(error), error=True)
    for _ in range(_REDIRECTS + 1):
        address = f"{bracketed(target.host)}:{target.port}"
        try:
            answer = await http_get(target)
        except OSError as error:
            return Outcome(False, f'Get "{target.url()}": {go_error(error, address)}')
        except ValueError as error:
            return Outcome(False, f'Get "{target.url()}": {error}')
        if 300 <= answer.status < 400 and answer.headers.get("location"):
            following = _redirected(target, answer.headers["location"])
            if following is not None:
                target = following
                continue
        if 200 <= answer.status < 400:
            return Outcome(True, answer.body.decode(errors="replace"))
        return Outcome(False, f"HTTP probe failed with statuscode: {answer.status}")
    return Outcome(False, f'Get "{target.url()}": stopped after {_REDIRECTS} redirects')


def _redirected(target: Target, location: str) -> Target | None:
    """The next target, or None when it is another host's."""
    parts = urlsplit(urljoin(target.url(), location))
    if parts.hostname != target.host.lower():
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Target(parts.scheme, target.host, port, path, target.headers)

"""The parameters of a pod's log (PodLogOptions), checked before a kubelet is bothered with them.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-read-log-of-the-specified-pod
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from api.errors import FieldError, forbidden, invalid, invalid_value
from apiserver.handlers.parameters import integer

_PASSED_ON = ("follow", "limitBytes", "previous", "sinceSeconds", "sinceTime", "tailLines", "timestamps")
_LEAST = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}


def log_parameters(query: Mapping[str, str], pod: str) -> dict[str, str]:
    """What to ask the kubelet for.  Raises BadRequest for what is no number, Invalid for what makes no sense."""
    numbers = {name: value for name in _LEAST if (value := integer(query, name)) is not None}
    errors = list(_problems(numbers, query))
    if errors:
        raise invalid("", "PodLogOptions", pod, errors)
    return {name: query[name] for name in _PASSED_ON if name in query}


def _problems(numbers: Mapping[str, int], query: Mapping[str, str]) -> Iterator[FieldError]:
    both = "sinceSeconds" in numbers and bool(query.get("sinceTime"))
    for name, least in _LEAST.items():
        if name in numbers and numbers[name] < least and not (both and name == "sinceSeconds"):
            complaint = "must be greater than 0" if least else "must be greater than or equal to 0"
            yield invalid_value(name, numbers[name], complaint)
    if both:
        yield forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified")
    if "stream" in query:  # streams apart (KEP-3288) are off by default
        yield forbidden("stream", "may not be specified")

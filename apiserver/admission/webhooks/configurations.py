"""The webhooks of all configuration objects, in the order they are asked: by the names of the configurations, then as
each lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from api.admissionregistration_v1 import (
    MutatingWebhook,
    MutatingWebhookConfiguration,
    ValidatingWebhook,
    ValidatingWebhookConfiguration,
)
from apiserver.endpoint import API
from apiserver.storage.entry import Entry
from apiserver.webhook_client import Target, target_of

if TYPE_CHECKING:
    from apiserver.admission.match_conditions import MatchConditions

Webhook = MutatingWebhook | ValidatingWebhook


@dataclass(frozen=True)
class Hook:
    """`uid` tells webhooks apart, those of one name too."""

    configuration: str
    webhook: Webhook
    uid: str

    @cached_property
    def target(self) -> Target:
        """Raises BadTarget."""
        return target_of(self.webhook.clientConfig)

    @cached_property
    def conditions(self) -> MatchConditions | None:
        """None without any; what evaluates them is loaded only where there are."""
        if not self.webhook.matchConditions:
            return None
        from apiserver.admission.match_conditions import MatchConditions

        return MatchConditions(self.webhook.matchConditions, fails_open=self.fails_open)

    @property
    def fails_open(self) -> bool:
        """Whether a write goes on without it when it cannot be asked."""
        return self.webhook.failurePolicy == "Ignore"


class Configurations:
    """Those of one kind.  They are read anew only when they have changed."""

    def __init__(self, api: API, model: type[MutatingWebhookConfiguration | ValidatingWebhookConfiguration]) -> None:
        self._endpoint = api.endpoint_of(model)
        self._read: list[Entry] = []
        self._hooks: list[Hook] = []

    def hooks(self) -> Sequence[Hook]:
        entries = self._endpoint.cache.list(self._endpoint.prefix)
        if list(map(id, entries)) != list(map(id, self._read)):  # entries are replaced, never changed
            self._read = entries
            self._hooks = [hook for entry in entries for hook in self._hooks_of(entry)]
        return self._hooks

    def _hooks_of(self, entry: Entry) -> list[Hook]:
        of_name: Counter[str] = Counter()
        hooks = []
        for webhook in self._endpoint.decode(entry).webhooks:
            hooks.append(Hook(entry.name, webhook, f"{entry.name}/{webhook.name}/{of_name[webhook.name]}"))
            of_name[webhook.name] += 1
        return hooks

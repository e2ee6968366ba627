"""Priority levels: shares of the server, and how requests wait for theirs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from api.errors import FieldError, forbidden, invalid_value, not_supported, required
from api.flowcontrol_v1 import (
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationStatus,
    QueuingConfiguration,
)
from api.scheme import resource_of
from apiserver.flow_control.bootstrap_configuration import MANDATORY_LEVELS
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.flow_schemas import FlowControlStatus
from apiserver.registry.internal_form import internal
from apiserver.registry.strategy import Column, Context, Strategy

_EXEMPT = "exempt"
_TYPES = ("Exempt", "Limited")
_RESPONSES = ("Queue", "Reject")
_SHARES = 30
_QUEUES, _HAND_SIZE, _QUEUE_LENGTH = 64, 8, 50
_MOST_QUEUES = 10_000_000
_MOST_BITS = 60  # of the hash that deals a flow its queues


def _shares(level: PriorityLevelConfiguration) -> Any:
    kind = level.spec.limited or level.spec.exempt
    shares = kind.nominalConcurrencyShares if kind else None
    return "<none>" if shares is None else shares


def _queuing(level: PriorityLevelConfiguration, field: str) -> Any:
    limited = level.spec.limited
    if limited is None or limited.limitResponse.queuing is None:
        return "<none>"
    return getattr(limited.limitResponse.queuing, field)


class PriorityLevelConfigurations(Strategy[PriorityLevelConfiguration]):
    resource = resource_of(PriorityLevelConfiguration)
    subresources = (FlowControlStatus(),)
    columns = (
        NAME,
        Column("Type", lambda p, now: p.spec.type, description="Whether it is limited or exempt."),
        Column("NominalConcurrencyShares", lambda p, now: _shares(p), description="Its share of the server."),
        Column("Queues", lambda p, now: _queuing(p, "queues"), description="How many queues it has."),
        Column("HandSize", lambda p, now: _queuing(p, "handSize"), description="How many queues a flow may use."),
        Column(
            "QueueLengthLimit",
            lambda p, now: _queuing(p, "queueLengthLimit"),
            description="How many requests a queue holds.",
        ),
        AGE,
    )

    def default(self, obj: PriorityLevelConfiguration) -> None:
        exempt, limited = obj.spec.exempt, obj.spec.limited
        if exempt is not None:
            exempt.nominalConcurrencyShares = exempt.nominalConcurrencyShares or 0
            exempt.lendablePercent = exempt.lendablePercent or 0
        if limited is None:
            return
        if limited.nominalConcurrencyShares is None:
            limited.nominalConcurrencyShares = _SHARES
        limited.lendablePercent = limited.lendablePercent or 0
        queuing = limited.limitResponse.queuing
        if queuing is not None:
            queuing.queues = queuing.queues or _QUEUES
            queuing.handSize = queuing.handSize or _HAND_SIZE
            queuing.queueLengthLimit = queuing.queueLengthLimit or _QUEUE_LENGTH

    def prepare_for_create(self, new: PriorityLevelConfiguration, context: Context) -> None:
        new.status = PriorityLevelConfigurationStatus()
        new.metadata.generation = 1

    def prepare_for_update(
        self, new: PriorityLevelConfiguration, old: PriorityLevelConfiguration, context: Context
    ) -> None:
        new.status = old.status
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: PriorityLevelConfiguration) -> Iterator[FieldError]:
        spec, name = new.spec, new.metadata.name
        if (name == _EXEMPT) != (spec.type == "Exempt") and spec.type in _TYPES:
            yield invalid_value("spec.type", spec.type, "must be 'Exempt' if and only if `name` is 'exempt'")
        if spec.type == "Exempt":
            if spec.limited is not None:
                yield forbidden("spec.limited", "must be nil if the type is not Limited")
            if spec.exempt is not None:
                yield from _not_negative(spec.exempt.nominalConcurrencyShares, "spec.exempt.nominalConcurrencyShares")
                yield from _percentage(spec.exempt.lendablePercent, "spec.exempt.lendablePercent")
        elif spec.type == "Limited":
            if spec.exempt is not None:
                yield forbidden("spec.exempt", "must be nil if the type is Limited")
            if spec.limited is None:
                yield required("spec.limited", "must not be empty when type is Limited")
            else:
                yield from _validate_limited(spec.limited, "spec.limited")
        else:
            yield not_supported("spec.type", spec.type, _TYPES)
        if name in MANDATORY_LEVELS:
            fixed, given = MANDATORY_LEVELS[name], spec.to_dict()
            if name == _EXEMPT:
                given.pop("exempt", None)
                fixed = {"type": "Exempt"}
            if given != fixed:
                which = f"'{name}' except the 'spec.exempt' field" if name == _EXEMPT else f"'{name}'"
                yield invalid_value("spec", _internal_spec(new), f"spec of {which} must equal the fixed value")


def _internal_spec(level: PriorityLevelConfiguration) -> dict[str, Any]:
    shown: dict[str, Any] = internal(level.spec)
    return shown


def _validate_limited(limited: LimitedPriorityLevelConfiguration, path: str) -> Iterator[FieldError]:
    yield from _not_negative(limited.nominalConcurrencyShares, f"{path}.nominalConcurrencyShares")
    yield from _validate_response(limited.limitResponse, f"{path}.limitResponse")
    yield from _percentage(limited.lendablePercent, f"{path}.lendablePercent")
    borrowing = limited.borrowingLimitPercent
    if borrowing is not None and borrowing < 0:
        yield invalid_value(f"{path}.borrowingLimitPercent", borrowing, "if specified, must be a non-negative integer")


def _not_negative(value: int | None, path: str) -> Iterator[FieldError]:
    if value is not None and value < 0:
        yield invalid_value(path, value, "must be a non-negative integer")


def _percentage(value: int | None, path: str) -> Iterator[FieldError]:
    if value is not None and not 0 <= value <= 100:
        yield invalid_value(path, value, "must be between 0 and 100, inclusive")


def _validate_response(response: LimitResponse, path: str) -> Iterator[FieldError]:
    if response.type == "Reject":
        if response.queuing is not None:
            yield forbidden(f"{path}.queuing", "must be nil if limited.limitResponse.type is not Limited")
    elif response.type == "Queue":
        if response.queuing is None:
            yield required(f"{path}.queuing", "must not be empty if limited.limitResponse.type is Limited")
        else:
            yield from _validate_queuing(response.queuing, f"{path}.queuing")
    else:
        yield not_supported(f"{path}.type", response.type, _RESPONSES)


def _validate_queuing(queuing: QueuingConfiguration, path: str) -> Iterator[FieldError]:
    queues, hand = queuing.queues, queuing.handSize
    if queuing.queueLengthLimit <= 0:
        yield invalid_value(f"{path}.queueLengthLimit", queuing.queueLengthLimit, "must be positive")
    if queues <= 0:
        yield invalid_value(f"{path}.queues", queues, "must be positive")
    elif queues > _MOST_QUEUES:
        yield invalid_value(f"{path}.queues", queues, f"must not be greater than {_MOST_QUEUES}")
    if hand <= 0:
        yield invalid_value(f"{path}.handSize", hand, "must be positive")
    elif hand > queues:
        yield invalid_value(f"{path}.handSize", hand, f"should not be greater than queues ({queues})")
    elif _entropy_bits(queues, hand) > _MOST_BITS:
        detail = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than"
        yield invalid_value(f"{path}.handSize", hand, f"{detail} {_MOST_BITS}")


def _entropy_bits(queues: int, hand: int) -> int:
    """Bits of a hash that it takes to deal a hand of distinct queues (shuffle sharding)."""
    return math.ceil(sum(math.log2(queues - dealt) for dealt in range(hand))) if hand <= 64 else _MOST_BITS + 1

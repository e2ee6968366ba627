"""Leases: short-lived claims that their holder renews."""

from __future__ import annotations

from collections.abc import Iterator

from api.coordination_v1 import Lease
from api.errors import FieldError, forbidden, invalid_value
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.strategy import Column, Context, Strategy


class Leases(Strategy[Lease]):
    resource = resource_of(Lease)
    revalidates_metadata = False
    create_on_update = True
    unconditional_update = False
    columns = (
        NAME,
        Column("Holder", lambda lease, now: lease.spec.holderIdentity or "", description="Who holds the lease now."),
        AGE,
    )

    def prepare_for_create(self, new: Lease, context: Context) -> None:
        # Coordinated leader election (KEP-4355) is off by default, and with it the fields it brought.
        new.spec.strategy = None
        new.spec.preferredHolder = None

    def prepare_for_update(self, new: Lease, old: Lease, context: Context) -> None:
        if old.spec.strategy is None:
            new.spec.strategy = None
        if old.spec.preferredHolder is None:
            new.spec.preferredHolder = None

    def validate(self, new: Lease) -> Iterator[FieldError]:
        spec = new.spec
        if spec.leaseDurationSeconds is not None and spec.leaseDurationSeconds <= 0:
            yield invalid_value("spec.leaseDurationSeconds", spec.leaseDurationSeconds, "must be greater than 0")
        if spec.leaseTransitions is not None and spec.leaseTransitions < 0:
            detail = "must be greater than or equal to 0"
            yield invalid_value("spec.leaseTransitions", spec.leaseTransitions, detail)
        if spec.preferredHolder and not spec.strategy:
            yield forbidden("spec.preferredHolder", "may only be specified when `strategy` is defined")

"""ServiceAccounts: who a pod is when it talks to the API."""

from __future__ import annotations

from api.core_v1 import ServiceAccount
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.strategy import Strategy


class ServiceAccounts(Strategy[ServiceAccount]):
    resource = resource_of(ServiceAccount)
    returns_deleted = True
    columns = (NAME, AGE)

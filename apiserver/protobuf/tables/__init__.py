"""The field numbers of every message, by the module of `api` that has the type."""

from apiserver.protobuf.tables import (
    admissionregistration_v1,
    apiextensions_v1,
    apiregistration_v1,
    apps_v1,
    authentication_v1,
    authorization_v1,
    autoscaling_v1,
    coordination_v1,
    core_v1,
    discovery_v1,
    events_v1,
    meta_v1,
    networking_v1,
    policy_v1,
    resource_v1,
)

TABLES = {
    "admissionregistration_v1": admissionregistration_v1.TABLE,
    "apiextensions_v1": apiextensions_v1.TABLE,
    "apiregistration_v1": apiregistration_v1.TABLE,
    "apps_v1": apps_v1.TABLE,
    "authentication_v1": authentication_v1.TABLE,
    "authorization_v1": authorization_v1.TABLE,
    "autoscaling_v1": autoscaling_v1.TABLE,
    "coordination_v1": coordination_v1.TABLE,
    "core_v1": core_v1.TABLE,
    "discovery_v1": discovery_v1.TABLE,
    "events_v1": events_v1.TABLE,
    "meta_v1": meta_v1.TABLE,
    "networking_v1": networking_v1.TABLE,
    "policy_v1": policy_v1.TABLE,
    "resource_v1": resource_v1.TABLE,
}

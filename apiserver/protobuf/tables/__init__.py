"""The field numbers of every message, by the module of `api` that has the type."""

from apiserver.protobuf.tables import (
    apps_v1,
    authentication_v1,
    authorization_v1,
    autoscaling_v1,
    autoscaling_v2,
    batch_v1,
    coordination_v1,
    core_v1,
    discovery_v1,
    events_v1,
    meta_v1,
    node_v1,
    policy_v1,
    scheduling_v1,
    storage_v1,
)

TABLES = {
    "apps_v1": apps_v1.TABLE,
    "authentication_v1": authentication_v1.TABLE,
    "authorization_v1": authorization_v1.TABLE,
    "autoscaling_v1": autoscaling_v1.TABLE,
    "autoscaling_v2": autoscaling_v2.TABLE,
    "batch_v1": batch_v1.TABLE,
    "coordination_v1": coordination_v1.TABLE,
    "core_v1": core_v1.TABLE,
    "discovery_v1": discovery_v1.TABLE,
    "events_v1": events_v1.TABLE,
    "meta_v1": meta_v1.TABLE,
    "node_v1": node_v1.TABLE,
    "policy_v1": policy_v1.TABLE,
    "scheduling_v1": scheduling_v1.TABLE,
    "storage_v1": storage_v1.TABLE,
}

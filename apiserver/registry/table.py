"""The registry: every resource the server serves, one line each.

A line names the resource's strategy, which is imported when it is first asked for: a server pays for the kinds that
are used, in time and memory, and not for all.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from api.model import Model
from api.scheme import (
    ADMISSIONREGISTRATION_V1,
    APIEXTENSIONS_V1,
    APIREGISTRATION_V1,
    APPS_V1,
    AUTOSCALING_V1,
    AUTOSCALING_V2,
    BATCH_V1,
    CERTIFICATES_V1,
    COORDINATION_V1,
    CORE_V1,
    DISCOVERY_V1,
    EVENTS_V1,
    FLOWCONTROL_V1,
    NETWORKING_V1,
    NODE_V1,
    POLICY_V1,
    RBAC_V1,
    RESOURCE_V1,
    RESOURCES,
    SCHEDULING_V1,
    STORAGE_V1,
    GroupVersion,
    Resource,
    resource_of,
)
from apiserver.registry.strategy import Options, Strategy

STRATEGIES: dict[GroupVersion, dict[str, str]] = {
    CORE_V1: {
        "componentstatuses": "component_statuses.ComponentStatuses",
        "configmaps": "config_maps.ConfigMaps",
        "endpoints": "endpoints.EndpointsStrategy",
        "events": "events.CoreEvents",
        "limitranges": "limit_ranges.LimitRanges",
        "namespaces": "namespaces.Namespaces",
        "nodes": "nodes.Nodes",
        "persistentvolumeclaims": "persistent_volume_claims.PersistentVolumeClaims",
        "persistentvolumes": "persistent_volumes.PersistentVolumes",
        "pods": "pods.Pods",
        "podtemplates": "pod_templates.PodTemplates",
        "replicationcontrollers": "replication_controllers.ReplicationControllers",
        "resourcequotas": "resource_quotas.ResourceQuotas",
        "secrets": "secrets.Secrets",
        "serviceaccounts": "service_accounts.ServiceAccounts",
        "services": "services.Services",
    },
    ADMISSIONREGISTRATION_V1: {
        "mutatingadmissionpolicies": "mutating_admission_policies.MutatingAdmissionPolicies",
        "mutatingadmissionpolicybindings": "mutating_admission_policies.MutatingAdmissionPolicyBindings",
        "mutatingwebhookconfigurations": "webhook_configurations.MutatingWebhookConfigurations",
        "validatingadmissionpolicies": "validating_admission_policies.ValidatingAdmissionPolicies",
        "validatingadmissionpolicybindings": "validating_admission_policies.ValidatingAdmissionPolicyBindings",
        "validatingwebhookconfigurations": "webhook_configurations.ValidatingWebhookConfigurations",
    },
    APIEXTENSIONS_V1: {"customresourcedefinitions": "custom_resource_definitions.CustomResourceDefinitions"},
    APIREGISTRATION_V1: {"apiservices": "api_services.APIServices"},
    APPS_V1: {
        "controllerrevisions": "controller_revisions.ControllerRevisions",
        "daemonsets": "daemon_sets.DaemonSets",
        "deployments": "deployments.Deployments",
        "replicasets": "replica_sets.ReplicaSets",
        "statefulsets": "stateful_sets.StatefulSets",
    },
    AUTOSCALING_V1: {"horizontalpodautoscalers": "horizontal_pod_autoscalers.OldHorizontalPodAutoscalers"},
    AUTOSCALING_V2: {"horizontalpodautoscalers": "horizontal_pod_autoscalers.HorizontalPodAutoscalers"},
    BATCH_V1: {
        "cronjobs": "cron_jobs.CronJobs",
        "jobs": "jobs.Jobs",
    },
    CERTIFICATES_V1: {"certificatesigningrequests": "certificate_signing_requests.CertificateSigningRequests"},
    COORDINATION_V1: {"leases": "leases.Leases"},
    DISCOVERY_V1: {"endpointslices": "endpoint_slices.EndpointSlices"},
    EVENTS_V1: {"events": "events.Events"},
    FLOWCONTROL_V1: {
        "flowschemas": "flow_schemas.FlowSchemas",
        "prioritylevelconfigurations": "priority_level_configurations.PriorityLevelConfigurations",
    },
    NETWORKING_V1: {
        "ingressclasses": "ingress_classes.IngressClasses",
        "ingresses": "ingresses.Ingresses",
        "ipaddresses": "ip_addresses.IPAddresses",
        "networkpolicies": "network_policies.NetworkPolicies",
        "servicecidrs": "service_cidrs.ServiceCIDRs",
    },
    NODE_V1: {"runtimeclasses": "runtime_classes.RuntimeClasses"},
    POLICY_V1: {"poddisruptionbudgets": "pod_disruption_budgets.PodDisruptionBudgets"},
    RBAC_V1: {
        "clusterrolebindings": "cluster_role_bindings.ClusterRoleBindings",
        "clusterroles": "cluster_roles.ClusterRoles",
        "rolebindings": "role_bindings.RoleBindings",
        "roles": "roles.Roles",
    },
    RESOURCE_V1: {
        "deviceclasses": "device_classes.DeviceClasses",
        "resourceclaims": "resource_claims.ResourceClaims",
        "resourceclaimtemplates": "resource_claims.ResourceClaimTemplates",
        "resourceslices": "resource_slices.ResourceSlices",
    },
    SCHEDULING_V1: {"priorityclasses": "priority_classes.PriorityClasses"},
    STORAGE_V1: {
        "csidrivers": "csi_drivers.CSIDrivers",
        "csinodes": "csi_nodes.CSINodes",
        "csistoragecapacities": "csi_storage_capacities.CSIStorageCapacities",
        "storageclasses": "storage_classes.StorageClasses",
        "volumeattachments": "volume_attachments.VolumeAttachments",
        "volumeattributesclasses": "volume_attributes_classes.VolumeAttributesClasses",
    },
}

STORED_AS: dict[tuple[GroupVersion, str], str] = {
    (AUTOSCALING_V1, "horizontalpodautoscalers"): "horizontalpodautoscalers.autoscaling",
    (EVENTS_V1, "events"): "events",
}
"""Resources that show the objects of another, named as in `Resource.group_resource`, in another form."""

SELECTABLE: dict[GroupVersion, frozenset[str]] = {
    BATCH_V1: frozenset({"jobs"}),
    CERTIFICATES_V1: frozenset({"certificatesigningrequests"}),
    CORE_V1: frozenset({"events", "namespaces", "nodes", "pods", "replicationcontrollers", "secrets", "services"}),
    EVENTS_V1: frozenset({"events"}),
    RESOURCE_V1: frozenset({"resourceslices"}),
}
"""Resources with fields that selectors can ask for beyond name and namespace: what a server finds stored of the others
is no reason to import their strategies."""


class Registry:
    """The strategies of one server, set up with its options; found by resource or by type."""

    def __init__(self, options: Options | None = None) -> None:
        self._options = options
        self._loaded: dict[Resource, Strategy[Any]] = {}

    @property
    def resources(self) -> Iterator[Resource]:
        """Everything that has a strategy, in the order of the scheme."""
        return (r for r in RESOURCES if r.plural in STRATEGIES.get(r.group_version, ()))

    def __iter__(self) -> Iterator[Strategy[Any]]:
        return (self.load(resource) for resource in self.resources)

    def load(self, resource: Resource) -> Strategy[Any]:
        """The strategy of a resource.  Raises KeyError for one that has none."""
        strategy = self._loaded.get(resource)
        if strategy is None:
            module, _, name = STRATEGIES[resource.group_version][resource.plural].partition(".")
            kind: type[Strategy[Any]] = getattr(importlib.import_module(f"apiserver.registry.{module}"), name)
            strategy = self._loaded[resource] = kind(self._options)
        return strategy

    def has_selectable_fields(self, resource: Resource) -> bool:
        """Whether its `Strategy.selectable_fields` returns any."""
        return resource.plural in SELECTABLE.get(resource.group_version, ())

    def of(self, model: type[Model]) -> Strategy[Any]:
        """The strategy of a type.  Raises KeyError for types that are not served."""
        return self.load(resource_of(model))

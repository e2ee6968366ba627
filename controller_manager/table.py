"""Every controller there is, by the name `--controllers` knows it by."""

from __future__ import annotations

from argparse import Namespace as Options
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from client.controller import Controller
from client.controller_process import Entry, Start
from client.controller_process import chosen as among
from client.rest import RestClient
from controller_manager.certificates.signing import SigningController
from controller_manager.deployment.controller import DeploymentController
from controller_manager.endpoint_slice.controller import EndpointSliceController
from controller_manager.endpoints import EndpointsController
from controller_manager.namespace import NamespaceController
from controller_manager.node_lifecycle.controller import NodeLifecycleController
from controller_manager.node_lifecycle.eviction import TaintEvictionController
from controller_manager.node_lifecycle.zones import Limits
from controller_manager.pod_garbage_collector import PodGarbageCollector
from controller_manager.replica_set import ReplicaSetController
from controller_manager.root_ca import RootCaPublisher
from controller_manager.service_account import ServiceAccountController
from controller_manager.service_account_token import ServiceAccountTokenController


def _plain(controller: type[Controller]) -> Callable[..., Controller]:
    def make(options: Options, *common: Any) -> Controller:
        return controller(*common)

    return make


def _late(module: str, name: str) -> Callable[..., Controller]:
    """One that starts later is imported later, too: who waits for a cluster to start does not wait for it."""

    def make(options: Options, *common: Any) -> Controller:
        controller: type[Controller] = getattr(import_module(f"controller_manager.{module}"), name)
        return controller(*common)

    return make


def _endpoint_slice(options: Options, *common: Any) -> Controller:
    return EndpointSliceController(
        *common,
        max_endpoints=options.max_endpoints_per_slice,
        batch_period=options.endpointslice_updates_batch_period,
    )


def _endpoints(options: Options, *common: Any) -> Controller:
    return EndpointsController(*common, batch_period=options.endpoint_updates_batch_period)


def _mirroring(options: Options, *common: Any) -> Controller:
    from controller_manager.endpoint_slice.mirroring import EndpointSliceMirroringController

    return EndpointSliceMirroringController(
        *common,
        max_endpoints=options.mirroring_max_endpoints_per_subset,
        batch_period=options.mirroring_endpointslice_updates_batch_period,
    )


def _legacy_token_cleaner(options: Options, *common: Any) -> Controller:
    from controller_manager.legacy_service_account_token_cleaner import LegacyTokenCleanerController

    return LegacyTokenCleanerController(*common, clean_up_period=options.legacy_service_account_token_clean_up_period)


def _root_ca(options: Options, client: RestClient, *common: Any) -> Controller:
    authority = Path(options.root_ca_file).read_text() if options.root_ca_file else client.config.ca_data.decode()
    return RootCaPublisher(client, *common, root_ca=authority)


def _pod_gc(options: Options, *common: Any) -> Controller:
    return PodGarbageCollector(
        *common,
        threshold=options.terminated_pod_gc_threshold,
        period=options.pod_gc_period,
        quarantine=options.pod_gc_quarantine,
    )


def _node_lifecycle(options: Options, *common: Any) -> Controller:
    return NodeLifecycleController(
        *common,
        monitor_period=options.node_monitor_period,
        grace_period=options.node_monitor_grace_period,
        startup_grace_period=options.node_startup_grace_period,
        limits=Limits(
            options.node_eviction_rate,
            options.secondary_node_eviction_rate,
            options.unhealthy_zone_threshold,
            options.large_cluster_size_threshold,
        ),
    )


def _service_account_token(options: Options, client: RestClient, *common: Any) -> Controller | None:
    if not options.service_account_private_key_file:
        return None
    authority = Path(options.root_ca_file).read_text() if options.root_ca_file else ""
    key = Path(options.service_account_private_key_file)
    return ServiceAccountTokenController(client, *common, key=key, root_ca=authority)


def _signing(options: Options, *common: Any) -> Controller | None:
    if not options.cluster_signing_cert_file or not options.cluster_signing_key_file:
        return None
    return SigningController(
        *common,
        certificate=Path(options.cluster_signing_cert_file),
        key=Path(options.cluster_signing_key_file),
        longest=timedelta(seconds=options.cluster_signing_duration),
    )


def _persistent_volume_binder(options: Options, *common: Any) -> Controller:
    from controller_manager.persistent_volume.controller import PersistentVolumeBinder
    from controller_manager.persistent_volume.host_path import HostPathPlugin

    root = Path(options.hostpath_provisioner_root)
    return PersistentVolumeBinder(*common, plugin=HostPathPlugin(root, options.enable_hostpath_provisioner))


def _attach_detach(options: Options, *common: Any) -> Controller:
    from controller_manager.attach_detach.controller import AttachDetachController

    return AttachDetachController(*common, force_detach=not options.disable_force_detach_on_timeout)


def _node_ipam(options: Options, *common: Any) -> Controller | None:
    if not options.allocate_node_cidrs:
        return None
    from controller_manager.node_ipam import NodeIPAMController, RangePool

    pools = []
    excluded = [*filter(None, options.service_cluster_ip_range.split(","))]
    for whole in options.cluster_cidr.split(","):
        length = options.node_cidr_mask_size_ipv6 if ":" in whole else options.node_cidr_mask_size_ipv4
        pools.append(RangePool(whole, options.node_cidr_mask_size or length, excluded))
    return NodeIPAMController(*common, pools=pools)


def _horizontal_pod_autoscaler(options: Options, *common: Any) -> Controller:
    from controller_manager.horizontal_pod_autoscaler.controller import HorizontalPodAutoscalerController
    from controller_manager.horizontal_pod_autoscaler.replica_calculator import Readiness

    return HorizontalPodAutoscalerController(
        *common,
        sync_period=options.horizontal_pod_autoscaler_sync_period,
        downscale_stabilization=options.horizontal_pod_autoscaler_downscale_stabilization,
        tolerance=options.horizontal_pod_autoscaler_tolerance,
        readiness=Readiness(
            timedelta(seconds=options.horizontal_pod_autoscaler_cpu_initialization_period),
            timedelta(seconds=options.horizontal_pod_autoscaler_initial_readiness_delay),
        ),
    )


def _metrics_server(options: Options, *common: Any) -> Controller | None:
    if not options.metrics_server_kubeconfig:
        return None
    from controller_manager.metrics_server.controller import MetricsServer

    return MetricsServer(
        *common,
        kubeconfig=Path(options.metrics_server_kubeconfig),
        certificate=Path(options.metrics_server_cert_file),
        key=Path(options.metrics_server_key_file),
        resolution=options.metrics_server_resolution,
    )


def _resource_quota(options: Options, *common: Any) -> Controller:
    from controller_manager.resource_quota import ResourceQuotaController

    return ResourceQuotaController(*common, sync_period=options.resource_quota_sync_period)


def _nothing(options: Options, *common: Any) -> None:
    """What `--controllers` knows and this process has nothing to do for: the types of admission policies are checked by
    the API server, the cloud's controllers are in cloud-controller-manager, no node has SELinux labels to warn of, and
    the other APIs are off by default."""


CONTROLLERS: dict[str, Entry] = {
    "deployment-controller": Entry(
        _plain(DeploymentController), "deployment-controller", ("deployment",), start=Start.URGENT
    ),
    "replicaset-controller": Entry(
        _plain(ReplicaSetController), "replicaset-controller", ("replicaset",), start=Start.URGENT
    ),
    "statefulset-controller": Entry(
        _late("stateful_set.controller", "StatefulSetController"),
        "statefulset-controller",
        ("statefulset",),
        start=Start.LATER,
        about=("statefulsets.apps",),
    ),
    "daemonset-controller": Entry(
        _late("daemon_set.controller", "DaemonSetController"),
        "daemon-set-controller",
        ("daemonset",),
        start=Start.LATER,
        about=("daemonsets.apps",),
    ),
    "endpointslice-controller": Entry(_endpoint_slice, "endpointslice-controller", ("endpointslice",)),
    "endpoints-controller": Entry(_endpoints, "endpoint-controller", ("endpoint",), "endpoint-controller"),
    "endpointslice-mirroring-controller": Entry(
        _mirroring, "endpointslicemirroring-controller", ("endpointslicemirroring",), start=Start.LATER
    ),
    "namespace-controller": Entry(_plain(NamespaceController), "namespace-controller", ("namespace",)),
    "serviceaccount-controller": Entry(
        _plain(ServiceAccountController), "service-account-controller", ("serviceaccount",), start=Start.URGENT
    ),
    "root-ca-certificate-publisher-controller": Entry(
        _root_ca, "root-ca-cert-publisher", ("root-ca-cert-publisher",), start=Start.URGENT
    ),
    "garbage-collector-controller": Entry(
        _late("garbage_collector.controller", "GarbageCollector"),
        "generic-garbage-collector",
        ("garbagecollector",),
        start=Start.LATER,
    ),
    "pod-garbage-collector-controller": Entry(_pod_gc, "pod-garbage-collector", ("podgc",), start=Start.LATER),
    "replicationcontroller-controller": Entry(
        _late("replication_controller", "ReplicationControllerController"),
        "replication-controller",
        ("replicationcontroller",),
        "replication-controller",
        Start.LATER,
        about=("replicationcontrollers",),
    ),
    "job-controller": Entry(_late("job.controller", "JobController"), "job-controller", ("job",), start=Start.LATER),
    "cronjob-controller": Entry(
        _late("cron_job.controller", "CronJobController"),
        "cronjob-controller",
        ("cronjob",),
        start=Start.LATER,
        about=("cronjobs.batch",),
    ),
    "ttl-after-finished-controller": Entry(
        _late("ttl_after_finished", "TtlAfterFinishedController"),
        "ttl-after-finished-controller",
        ("ttl-after-finished",),
        start=Start.LATER,
        about=("jobs.batch",),
    ),
    "node-lifecycle-controller": Entry(_node_lifecycle, "node-controller", ("nodelifecycle",), "node-controller"),
    "clusterrole-aggregation-controller": Entry(
        _late("cluster_role_aggregation", "ClusterRoleAggregationController"),
        "clusterrole-aggregation-controller",
        ("clusterrole-aggregation",),
        start=Start.LATER,
    ),
    "persistentvolumeclaim-protection-controller": Entry(
        _late("storage_protection", "ClaimProtectionController"),
        "pvc-protection-controller",
        ("pvc-protection",),
        start=Start.LATER,
        about=("persistentvolumeclaims",),
    ),
    "persistentvolume-protection-controller": Entry(
        _late("storage_protection", "VolumeProtectionController"),
        "pv-protection-controller",
        ("pv-protection",),
        start=Start.LATER,
        about=("persistentvolumes",),
    ),
    "disruption-controller": Entry(
        _late("disruption_budgets", "DisruptionController"),
        "disruption-controller",
        ("disruption",),
        "controllermanager",
        start=Start.LATER,
    ),
    "node-ipam-controller": Entry(_node_ipam, "node-controller", ("nodeipam",), "cidrAllocator"),
    "horizontal-pod-autoscaler-controller": Entry(
        _horizontal_pod_autoscaler,
        "horizontal-pod-autoscaler",
        ("horizontalpodautoscaling",),
        "horizontal-pod-autoscaler",
        start=Start.LATER,
        about=("horizontalpodautoscalers.autoscaling",),
    ),
    "metrics-server": Entry(_metrics_server, "", start=Start.LATER, about=("pods",)),  # one of ours
    "resourcequota-controller": Entry(
        _resource_quota, "resourcequota-controller", ("resourcequota",), start=Start.LATER, about=("resourcequotas",)
    ),
    "service-cidr-controller": Entry(
        _late("service_cidr", "ServiceCIDRController"), "service-cidrs-controller", start=Start.LATER
    ),
    "ttl-controller": Entry(_late("ttl", "TTLController"), "ttl-controller", ("ttl",), start=Start.LATER),
    "taint-eviction-controller": Entry(_plain(TaintEvictionController), "node-controller"),
    "serviceaccount-token-controller": Entry(_service_account_token, "", ("serviceaccount-token",), start=Start.LATER),
    "legacy-serviceaccount-token-cleaner-controller": Entry(
        _legacy_token_cleaner,
        "legacy-service-account-token-cleaner",
        ("legacy-service-account-token-cleaner",),
        start=Start.LATER,
    ),
    "service-lb-controller": Entry(_nothing, "", ("service",)),
    "node-route-controller": Entry(_nothing, "", ("route",)),
    "cloud-node-lifecycle-controller": Entry(_nothing, "", ("cloud-node-lifecycle",)),
    "validatingadmissionpolicy-status-controller": Entry(_nothing, "", ("validatingadmissionpolicy-status",)),
    "storageversion-garbage-collector-controller": Entry(_nothing, "", ("storage-version-gc",)),
    "storage-version-migrator-controller": Entry(_nothing, "", ("storage-version-migrator",)),
    "kube-apiserver-serving-clustertrustbundle-publisher-controller": Entry(_nothing, ""),
    "podcertificaterequest-cleaner-controller": Entry(_nothing, ""),
    "podgroup-protection-controller": Entry(_nothing, ""),
    "resourcepoolstatusrequest-controller": Entry(_nothing, ""),
    "selinux-warning-controller": Entry(_nothing, "", default=False),
    "bootstrap-signer-controller": Entry(
        _late("bootstrap.signer", "BootstrapSignerController"),
        "bootstrap-signer",
        ("bootstrapsigner",),
        start=Start.LATER,
        default=False,
    ),
    "token-cleaner-controller": Entry(
        _late("bootstrap.cleaner", "TokenCleanerController"),
        "token-cleaner",
        ("tokencleaner",),
        start=Start.LATER,
        default=False,
    ),
    "certificatesigningrequest-signing-controller": Entry(
        _signing,
        "certificate-controller",
        ("csrsigning",),
        start=Start.LATER,
        about=("certificatesigningrequests.certificates.k8s.io",),
    ),
    "certificatesigningrequest-approving-controller": Entry(
        _late("certificates.approving", "ApprovingController"),
        "certificate-controller",
        ("csrapproving",),
        start=Start.LATER,
        about=("certificatesigningrequests.certificates.k8s.io",),
    ),
    "certificatesigningrequest-cleaner-controller": Entry(
        _late("certificates.cleaner", "CleanerController"),
        "certificate-controller",
        ("csrcleaner",),
        start=Start.LATER,
        about=("certificatesigningrequests.certificates.k8s.io",),
    ),
    "persistentvolume-binder-controller": Entry(
        _persistent_volume_binder,
        "persistent-volume-binder",
        ("persistentvolume-binder",),
        "persistentvolume-controller",
        start=Start.LATER,
        about=(
            "persistentvolumes",
            "persistentvolumeclaims",
        ),
    ),
    "persistentvolume-attach-detach-controller": Entry(
        _attach_detach,
        "attachdetach-controller",
        ("attachdetach",),
        "attachdetach-controller",
        start=Start.LATER,
        about=(
            "volumeattachments.storage.k8s.io",
            "persistentvolumeclaims",
        ),
    ),
    "persistentvolume-expander-controller": Entry(
        _late("persistent_volume.expander", "ExpandController"),
        "expand-controller",
        ("persistentvolume-expander",),
        "volume_expand",
        start=Start.LATER,
        about=("persistentvolumeclaims",),
    ),
    "ephemeral-volume-controller": Entry(
        _late("ephemeral_volume", "EphemeralVolumeController"),
        "ephemeral-volume-controller",
        ("ephemeral-volume",),
        "ephemeral_volume",
        start=Start.LATER,
    ),
    "volumeattributesclass-protection-controller": Entry(
        _late("volume_attributes_class", "VolumeAttributesClassProtectionController"),
        "volumeattributesclass-protection-controller",
        start=Start.LATER,
        about=("volumeattributesclasses.storage.k8s.io",),
    ),
    "resourceclaim-controller": Entry(
        _late("resource_claim", "ResourceClaimController"),
        "resource-claim-controller",
        ("resource-claim-controller",),
        "resource_claim",
        start=Start.LATER,
        about=(
            "resourceclaims.resource.k8s.io",
            "resourceclaimtemplates.resource.k8s.io",
        ),
    ),
    "device-taint-eviction-controller": Entry(
        _late("device_taint_eviction", "DeviceTaintEvictionController"),
        "device-taint-eviction-controller",
        ("device-taint-eviction",),
        "device-taint-eviction",
        start=Start.LATER,
        about=("resourceclaims.resource.k8s.io",),
    ),
}


def chosen(wanted: str) -> list[str]:
    """See `client.controller_process.chosen`."""
    return among(CONTROLLERS, wanted)

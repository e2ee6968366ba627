"""Pods that are refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.registry.names import LABEL_MESSAGE
from apiserver.registry.pods import Pods
from tests.registry.builders import complaints, created, pod


def with_container(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "i", **fields}]}


CONTAINERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"containers": []}, ["spec.containers: Required value"]),
    ({"containers": [{"name": "c"}]}, ["spec.containers[0].image: Required value"]),
    (
        {"containers": [{"name": "C_1", "image": "i"}]},
        [f'spec.containers[0].name: Invalid value: "C_1": {LABEL_MESSAGE}'],
    ),
    (
        {"containers": [{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]},
        ['spec.containers[1].name: Duplicate value: "c"'],
    ),
    (
        with_container(image=" i "),
        ['spec.containers[0].image: Invalid value: " i ": must not have leading or trailing whitespace'],
    ),
    (
        with_container(ports=[{"containerPort": 65536}, {"containerPort": 0}]),
        [
            "spec.containers[0].ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive",
            "spec.containers[0].ports[1].containerPort: Required value",
        ],
    ),
    (
        with_container(ports=[{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]),
        ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"'],
    ),
    (
        with_container(livenessProbe={"periodSeconds": 3}),
        ["spec.containers[0].livenessProbe: Required value: must specify a handler type"],
    ),
    (
        with_container(livenessProbe={"tcpSocket": {"port": 1}, "exec": {"command": ["a"]}}),
        ["spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
    ),
    (
        with_container(env=[{"name": "A", "value": "v", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ),
    (
        with_container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.containers"}}}]),
        [
            'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.containers": '
            "error converting fieldPath: field label not supported: spec.containers"
        ],
    ),
    (
        with_container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
    ),
    (
        with_container(resources={"requests": {"example.com/gpu": "1"}}),
        ["spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources"],
    ),
    (
        with_container(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
    ),
    (
        with_container(securityContext={"procMount": "Unmasked"}),
        [
            'spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": '
            "`hostUsers` must be false to use `Unmasked`"
        ],
    ),
    (
        with_container(lifecycle={"preStop": {"sleep": {"seconds": 31}}}),
        [
            "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: "
            "must be non-negative and less than terminationGracePeriodSeconds (30)",
        ],
    ),
    (
        with_container(securityContext={"windowsOptions": {"gmsaCredentialSpec": "", "runAsUserName": r"a\b\c"}}),
        [
            'spec.containers[0].securityContext.windowsOptions.gmsaCredentialSpec: Invalid value: "": '
            "gmsaCredentialSpec cannot be an empty string",
            r'spec.containers[0].securityContext.windowsOptions.runAsUserName: Invalid value: "a\\b\\c": '
            "runAsUserName cannot contain more than one backslash",
        ],
    ),
    (
        with_container(securityContext={"windowsOptions": {"hostProcess": True}}),
        ["spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers"],
    ),
    (
        with_container(resources={"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}}),
        [
            f'spec.containers[0].resources.{part}[hugepages-2Mi]: Invalid value: "3Mi": '
            "3Mi is not positive integer multiple of hugepages-2Mi"
            for part in ("limits", "requests")
        ],
    ),
    (
        with_container(resources={"claims": [{"name": "x"}]}),
        [
            'spec.containers[0].resources.claims[0]: Not found: "x": '
            "must be one of the names in pod.spec.resourceClaims which is empty"
        ],
    ),
    (
        with_container(resizePolicy=[{"resourceName": "gpu", "restartPolicy": "x"}]),
        [
            'spec.containers[0].resizePolicy: Unsupported value: "gpu": supported values: "cpu", "memory"',
            'spec.containers[0].resizePolicy: Unsupported value: "x": supported values: "NotRequired", '
            '"RestartContainer"',
        ],
    ),
    (
        with_container(envFrom=[{"prefix": "=", "configMapRef": {}, "secretRef": {"name": "s"}}, {}]),
        [
            'spec.containers[0].envFrom[0].prefix: Invalid value: "=": a valid environment variable name must '
            "consist only of printable ASCII characters other than '='",
            "spec.containers[0].envFrom[0].configMapRef.name: Required value",
            'spec.containers[0].envFrom: Invalid value: "": may not have more than one field specified at a time',
            'spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
        ],
    ),
    (
        with_container(
            startupProbe={"grpc": {"port": 0}, "successThreshold": 2},
            readinessProbe={"httpGet": {"port": 1, "scheme": "F"}, "terminationGracePeriodSeconds": 1},
        ),
        [
            "spec.containers[0].readinessProbe.httpGet.scheme: "
            'Unsupported value: "F": supported values: "HTTP", "HTTPS"',
            "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: "
            "must not be set for readinessProbes",
            "spec.containers[0].startupProbe.grpc.port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.containers[0].startupProbe.successThreshold: Invalid value: 2: must be 1",
        ],
    ),
    (
        with_container(restartPolicyRules=[{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]),
        ["spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used"],
    ),
]

SPECS: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"restartPolicy": "Sometimes"},
        ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'],
    ),
    (
        {"dnsPolicy": "None"},
        ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    ),
    (
        {"activeDeadlineSeconds": 0},
        ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    ),
    ({"subdomain": "a.b"}, ['spec.subdomain: Invalid value: "a.b": must not contain dots']),
    (
        {"tolerations": [{"operator": "Equal", "value": "v"}]},
        [
            'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, '
            'which means "match all values and all keys"'
        ],
    ),
    (
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}},
        [
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: "
            "Required value: must have at least one node selector term"
        ],
    ),
    (
        {"schedulingGates": [{"name": "g"}], "nodeName": "n"},
        ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
    ),
    (
        {"ephemeralContainers": [{"name": "e", "image": "i"}]},
        ["spec.ephemeralContainers: Forbidden: cannot be set on create"],
    ),
    (
        {"os": {"name": "windows"}, "hostPID": True},
        ["spec.hostPID: Forbidden: cannot be set for a windows pod"],
    ),
    (
        {"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]},
        ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
    ),
    (
        {"volumes": [{"name": "v"}, {"name": "v", "configMap": {}}]},
        [
            "spec.volumes[1].configMap.name: Required value",
            'spec.volumes[1].name: Duplicate value: "v"',
        ],
    ),
    (
        {"shareProcessNamespace": True, "hostPID": True},
        [
            "spec.securityContext.shareProcessNamespace: Invalid value: true: "
            "ShareProcessNamespace and HostPID cannot both be enabled"
        ],
    ),
    (
        {"overhead": {"cpu": "-1"}},
        ['spec.overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
    ),
    ({"hostUsers": False, "hostNetwork": True}, ["spec.hostNetwork: Forbidden: when `hostUsers` is false"]),
    (
        {
            "resources": {"limits": {"cpu": "1", "hugepages-2Mi": "2Mi"}, "requests": {"hugepages-2Mi": "2Mi"}},
            "containers": [
                {"name": name, "image": "i", "resources": {"limits": {"cpu": "1m", "hugepages-2Mi": "2Mi"}}}
                for name in ("a", "b")
            ],
        },
        [
            f'spec.resources.{part}[hugepages-2Mi]: Invalid value: "2Mi": '
            f"must be greater than or equal to aggregate container {part} of 4Mi"
            for part in ("requests", "limits")
        ],
    ),
    (
        {"resources": {"requests": {"cpu": "1", "example.com/x": "1"}, "limits": {"cpu": "500m"}}},
        [
            'spec.resources.requests: Invalid value: "1": must be less than or equal to cpu limit of 500m',
            'spec.resources.requests[example.com/x]: Unsupported value: "example.com/x": '
            'supported values: "cpu", "hugepages-", "memory"',
            "spec.resources.limits: Required value: Limit must be set for non overcommitable resources",
        ],
    ),
    (
        {"resourceClaims": [{"name": "a", "resourceClaimName": "x"}, {"name": "a"}]},
        [
            'spec.resourceClaims[1].name: Duplicate value: "a"',
            'spec.resourceClaims[1]: Invalid value: {"Name":"a","ResourceClaimName":null,'
            '"ResourceClaimTemplateName":null}: '
            "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
        ],
    ),
    (
        {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "Never"}]},
        [
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
            'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Never": '
            'supported values: "DoNotSchedule", "ScheduleAnyway"',
        ],
    ),
    (
        {"dnsConfig": {"nameservers": ["10.0.0.1"] * 4, "options": [{}]}},
        [
            'spec.dnsConfig.nameservers: Invalid value: ["10.0.0.1","10.0.0.1","10.0.0.1","10.0.0.1"]: '
            "must not have more than 3 nameservers",
            "spec.dnsConfig.options[0]: Required value: must not be empty",
        ],
    ),
    (
        {"securityContext": {"fsGroup": -1, "sysctls": [{"name": "a b"}]}},
        [
            "spec.securityContext.fsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            'spec.securityContext.sysctls[0].name: Invalid value: "a b": must have at most 253 characters and match '
            r"regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
        ],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), [*CONTAINERS, *SPECS])
def test_refusals(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(Pods(), pod(**spec)) == expected


def test_an_ordinary_pod_is_fine() -> None:
    spec = {
        "containers": [
            {
                "name": "web",
                "image": "web:1",
                "ports": [{"name": "http", "containerPort": 8080}],
                "env": [
                    {"name": "A", "value": "b"},
                    {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ],
                "readinessProbe": {"httpGet": {"port": "http"}},
                "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "500m", "example.com/gpu": "1"}},
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
        "initContainers": [
            {"name": "side", "image": "s:1", "restartPolicy": "Always", "startupProbe": {"tcpSocket": {"port": 9}}}
        ],
        "volumes": [{"name": "data"}],
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
        ],
    }
    assert complaints(Pods(), pod(**spec)) == []


def test_a_whole_security_context_is_quoted_in_its_internal_form() -> None:
    (complaint,) = complaints(
        Pods(), pod(**with_container(securityContext={"privileged": True, "allowPrivilegeEscalation": False}))
    )
    assert complaint == (
        'spec.containers[0].securityContext: Invalid value: {"Capabilities":null,"Privileged":true,'
        '"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,'
        '"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}: '
        "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
    )


def test_warnings() -> None:
    obj = created(
        Pods(),
        pod(
            **with_container(
                env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
                ports=[{"containerPort": 80, "hostIP": "10.0.0.1"}],
                resources={"requests": {"memory": "100m"}},
            ),
            nodeSelector={"beta.kubernetes.io/os": "linux"},
        ),
    )
    assert list(Pods().warnings(obj, None)) == [
        'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
        'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer',
        "spec.containers[0].ports[0]: hostIP set without hostPort: "
        "{Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:10.0.0.1}",
    ]
    assert list(Pods().warnings(obj, obj.copy_deep())) == []


def test_warnings_of_files_at_one_place() -> None:
    """Of two files at one place, or of one that another takes for a folder, only one can be."""
    keys = [{"key": "a", "path": "x"}, {"key": "b", "path": "x/y"}, {"key": "c", "path": "xy/"}]
    projected = [
        {},
        {"serviceAccountToken": {"path": "x/t"}},
        {"configMap": {"name": "m"}},
        {"configMap": {"name": "m", "items": keys[:1]}},
        {"downwardAPI": {"items": [{"path": "x/t/", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    volumes = [
        {"name": "c", "configMap": {"name": "m", "items": keys}},
        {"name": "s", "secret": {"secretName": "s", "items": [keys[2], keys[2]]}},
        {"name": "p", "projected": {"sources": projected}},
    ]
    assert list(Pods().warnings(created(Pods(), pod(volumes=volumes)), None)) == [
        'volume "c" (ConfigMap "m"): overlapping paths: "x/y" with "x"',
        'volume "s" (Secret "s"): overlapping paths: "xy" with "xy"',
        'volume "p" (Projected) has no sources provided',
        'volume "p" (Projected): overlapping paths: "x" (ConfigMap "m") with "x/t" (ServiceAccountToken)',
        'volume "p" (Projected): overlapping paths: "x/t" (DownwardAPI) with "x/t" (ServiceAccountToken)',
        'volume "p" (Projected): overlapping paths: "x/t" (DownwardAPI) with "x" (ConfigMap "m")',
    ]


def test_warnings_of_ports_of_one_name_and_labels_no_node_can_have() -> None:
    containers = [
        {"name": name, "image": "i", "ports": [{"name": "http", "containerPort": n}]}
        for n, name in ((1, "a"), (2, "b"))
    ]
    preference = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["fast", "not fast"]}]}
    affinity = {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": preference}]}
    }
    of_label, of_port = Pods().warnings(created(Pods(), pod(containers=containers, affinity=affinity)), None)
    path = "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference"
    assert of_label.startswith(f"{path}.matchExpressions[0].values[1]: not fast is invalid, a valid label must be")
    first = "spec.containers[0].ports[0]"
    assert of_port == (
        f'spec.containers[1].ports[0]: duplicate port name "http" with {first}, '
        f"services and probes that select ports by name will use {first}"
    )

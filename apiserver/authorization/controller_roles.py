"""What each of Kubernetes' controllers may do, in the notation of `bootstrap_roles`.

A controller that does not go by the name of the whole controller manager is the service account of its name in
kube-system, which has the role system:controller:NAME.
"""

CONTROLLER_ROLES = """
attachdetach-controller
    list watch: persistentvolumeclaims persistentvolumes
    read: nodes
    patch update: nodes/status
    list watch: pods
    events
    create delete read: volumeattachments @ storage.k8s.io
    read: csidrivers @ storage.k8s.io
    read: csinodes @ storage.k8s.io

clusterrole-aggregation-controller
    escalate read patch update: clusterroles @ rbac.authorization.k8s.io

cronjob-controller
    read update: cronjobs @ batch
    create delete read patch update: jobs @ batch
    update: cronjobs/status @ batch
    update: cronjobs/finalizers @ batch
    delete list watch: pods
    events

daemon-set-controller
    read: daemonsets @ apps extensions
    update: daemonsets/status @ apps extensions
    update: daemonsets/finalizers @ apps extensions
    list watch: nodes
    create delete list patch watch: pods
    create: pods/binding
    create delete read patch update: controllerrevisions @ apps
    events

deployment-controller
    read update: deployments @ apps extensions
    update: deployments/status @ apps extensions
    update: deployments/finalizers @ apps extensions
    create delete read patch update: replicasets @ apps extensions
    read update: pods
    events

disruption-controller
    read: deployments @ apps extensions
    read: replicasets @ apps extensions
    read: replicationcontrollers
    read: poddisruptionbudgets @ policy
    read: statefulsets @ apps
    update: poddisruptionbudgets/status @ policy
    patch update: pods/status
    get: */scale @ *
    events

endpoint-controller
    read: pods services
    create delete read update: endpoints
    create: endpoints/restricted
    events

endpointslice-controller
    read: nodes pods services
    update: services/finalizers
    create delete read update: endpointslices @ discovery.k8s.io
    events

endpointslicemirroring-controller
    read: endpoints services
    update: services/finalizers
    update: endpoints/finalizers
    create delete read update: endpointslices @ discovery.k8s.io
    events

expand-controller
    read patch update: persistentvolumes
    patch update: persistentvolumeclaims/status
    read: persistentvolumeclaims
    events

ephemeral-volume-controller
    read: pods
    update: pods/finalizers
    create read: persistentvolumeclaims
    events

resource-claim-controller
    read: pods
    update: pods/finalizers
    create delete read: resourceclaims @ resource.k8s.io
    patch update: resourceclaims resourceclaims/status @ resource.k8s.io
    patch update: pods/status
    events
    patch update: resourceclaims/binding @ resource.k8s.io

device-taint-eviction-controller
    delete read: pods
    patch update: pods/status
    read: resourceclaims @ resource.k8s.io
    read: resourceslices @ resource.k8s.io
    read: deviceclasses @ resource.k8s.io
    events

generic-garbage-collector
    delete read patch update: * @ *
    events

horizontal-pod-autoscaler
    read: horizontalpodautoscalers @ autoscaling
    update: horizontalpodautoscalers/status @ autoscaling
    get update: */scale @ *
    list watch: pods
    list watch: pods @ metrics.k8s.io
    read: * @ custom.metrics.k8s.io
    read: * @ external.metrics.k8s.io
    events

job-controller
    read patch update: jobs @ batch
    update: jobs/status @ batch
    update: jobs/finalizers @ batch
    create delete list patch watch: pods
    events

namespace-controller
    delete read: namespaces
    update: namespaces/finalize namespaces/status
    delete deletecollection read: * @ *

node-controller
    delete read patch update: nodes
    patch update: nodes/status
    patch update: pods/status
    delete read: pods
    read: leases @ coordination.k8s.io
    events

persistent-volume-binder
    create delete read update: persistentvolumes
    update: persistentvolumes/status
    read update: persistentvolumeclaims
    update: persistentvolumeclaims/status
    create delete read: pods
    read: storageclasses @ storage.k8s.io
    list watch: nodes
    events
    watch: events

pod-garbage-collector
    delete list watch: pods
    read: nodes
    patch: pods/status

replicaset-controller
    read update: replicasets @ apps extensions
    update: replicasets/status @ apps extensions
    update: replicasets/finalizers @ apps extensions
    create delete list patch watch: pods
    events

replication-controller
    read update: replicationcontrollers
    update: replicationcontrollers/status
    update: replicationcontrollers/finalizers
    create delete list patch watch: pods
    events

resourcequota-controller
    list watch: * @ *
    update: resourcequotas/status
    events

route-controller
    list watch: nodes
    patch: nodes/status
    events

service-account-controller
    create: serviceaccounts
    events

service-controller
    read: services
    patch update: services/status
    list watch: nodes
    events

service-cidrs-controller
    read patch update: servicecidrs @ networking.k8s.io
    patch update: servicecidrs/finalizers @ networking.k8s.io
    patch update: servicecidrs/status @ networking.k8s.io
    read: ipaddresses @ networking.k8s.io
    events

statefulset-controller
    list watch: pods
    read: statefulsets @ apps
    update: statefulsets/status @ apps
    update: statefulsets/finalizers @ apps
    create delete get patch update: pods
    create delete read patch update: controllerrevisions @ apps
    create read: persistentvolumeclaims
    delete update: persistentvolumeclaims
    update: pods/finalizers
    events

ttl-controller
    list patch update watch: nodes
    events

certificate-controller
    delete read: certificatesigningrequests @ certificates.k8s.io
    update: certificatesigningrequests/approval certificatesigningrequests/status @ certificates.k8s.io
    approve: signers @ certificates.k8s.io = kubernetes.io/kube-apiserver-client-kubelet
    sign: signers @ certificates.k8s.io = kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown
    create: subjectaccessreviews @ authorization.k8s.io
    events

pvc-protection-controller
    read update: persistentvolumeclaims
    read: pods
    events

pv-protection-controller
    read update: persistentvolumes
    events

volumeattributesclass-protection-controller
    read: persistentvolumeclaims
    read: persistentvolumes
    read update: volumeattributesclasses @ storage.k8s.io
    events

ttl-after-finished-controller
    delete read: jobs @ batch
    events

root-ca-cert-publisher
    create update: configmaps
    events

validatingadmissionpolicy-status-controller
    read: validatingadmissionpolicies @ admissionregistration.k8s.io
    get patch update: validatingadmissionpolicies/status @ admissionregistration.k8s.io
    events

legacy-service-account-token-cleaner
    get: configmaps = kube-apiserver-legacy-service-account-token-tracking
    delete patch: secrets

selinux-warning-controller
    events
    read: persistentvolumes
    read: persistentvolumeclaims
    read: pods
    read: csidrivers @ storage.k8s.io
"""  # noqa: E501

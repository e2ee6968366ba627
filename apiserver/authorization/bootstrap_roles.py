"""The roles and bindings that every cluster has: Kubernetes 1.36's bootstrap policy, as data.

See https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings.  A paragraph is a
role, a line of it a rule:

    verbs: resources                      of the core group
    verbs: resources @ groups             of these groups, `core` being the one without a name
    verbs: resources @ groups = names     and only objects of these names
    verbs: /paths                         that are no resources

`read` is get, list and watch, `write` everything that changes a collection; `events` alone is the right to report.
"""

AGGREGATED = ("admin", "edit", "view")
"""Cluster roles that gather the rules of those labelled for them; a controller does it."""

AGGREGATED_TO = {
    "edit": "admin",
    "view": "edit",
    "system:aggregate-to-admin": "admin",
    "system:aggregate-to-edit": "edit",
    "system:aggregate-to-view": "view",
}

CLUSTER_ROLES = """
cluster-admin
    *: * @ *
    *: *

system:discovery
    get: /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/

system:public-info-viewer
    get: /healthz /livez /readyz /version /version/

system:monitoring
    get: /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*
    get: nodes/metrics
    get: /flagz
    get: /statusz

system:basic-user
    create: selfsubjectaccessreviews selfsubjectrulesreviews @ authorization.k8s.io
    create: selfsubjectreviews @ authentication.k8s.io

system:aggregate-to-admin
    create: localsubjectaccessreviews @ authorization.k8s.io
    read write: rolebindings roles @ rbac.authorization.k8s.io

system:aggregate-to-edit
    read: pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy
    impersonate: serviceaccounts
    write: pods pods/attach pods/exec pods/portforward pods/proxy
    create: pods/eviction
    write: configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy
    create: serviceaccounts/token
    write: events @ core events.k8s.io
    write: daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale @ apps
    write: horizontalpodautoscalers @ autoscaling
    write: cronjobs jobs @ batch
    write: daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale @ extensions
    write: poddisruptionbudgets @ policy
    write: ingresses networkpolicies @ networking.k8s.io
    read write: leases @ coordination.k8s.io
    write: resourceclaims resourceclaimtemplates @ resource.k8s.io

system:aggregate-to-view
    read: configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status
    read: bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status
    read: namespaces
    read: events @ core events.k8s.io
    read: endpointslices @ discovery.k8s.io
    read: controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status @ apps
    read: horizontalpodautoscalers horizontalpodautoscalers/status @ autoscaling
    read: cronjobs cronjobs/status jobs jobs/status @ batch
    read: daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale @ extensions
    read: poddisruptionbudgets poddisruptionbudgets/status @ policy
    read: ingresses ingresses/status networkpolicies @ networking.k8s.io
    read: resourceclaims resourceclaims/status resourceclaimtemplates @ resource.k8s.io

system:heapster
    read: events namespaces nodes pods
    read: deployments @ extensions

system:node
    create: tokenreviews @ authentication.k8s.io
    create: localsubjectaccessreviews subjectaccessreviews @ authorization.k8s.io
    read: services
    create read: nodes
    patch update: nodes/status
    patch update: nodes
    events
    read: pods
    create delete: pods
    patch update: pods/status
    create: pods/eviction
    read: configmaps secrets
    get: persistentvolumeclaims persistentvolumes
    get: endpoints
    create read: certificatesigningrequests @ certificates.k8s.io
    create delete get patch update: leases @ coordination.k8s.io
    get: volumeattachments @ storage.k8s.io
    create: serviceaccounts/token
    get patch update: persistentvolumeclaims/status
    read: csidrivers @ storage.k8s.io
    create delete get patch update: csinodes @ storage.k8s.io
    read: runtimeclasses @ node.k8s.io
    get: resourceclaims @ resource.k8s.io
    deletecollection: resourceslices @ resource.k8s.io
    get: serviceaccounts

system:node-problem-detector
    get: nodes
    patch: nodes/status
    events

system:kubelet-api-admin
    read: nodes
    proxy: nodes
    *: nodes/log nodes/metrics nodes/proxy nodes/stats
    *: nodes/configz nodes/healthz nodes/pods

system:node-bootstrapper
    create read: certificatesigningrequests @ certificates.k8s.io

system:auth-delegator
    create: tokenreviews @ authentication.k8s.io
    create: subjectaccessreviews @ authorization.k8s.io

system:kube-aggregator
    read: endpoints services

system:kube-controller-manager
    events
    create: leases @ coordination.k8s.io
    get update: leases @ coordination.k8s.io = kube-controller-manager
    create: secrets serviceaccounts
    delete: secrets
    get: configmaps namespaces secrets serviceaccounts
    update: secrets serviceaccounts
    create: tokenreviews @ authentication.k8s.io
    create: subjectaccessreviews @ authorization.k8s.io
    list watch: * @ *
    create: serviceaccounts/token

system:kube-dns
    list watch: endpoints services

system:persistent-volume-provisioner
    create delete read: persistentvolumes
    read update: persistentvolumeclaims
    read: storageclasses @ storage.k8s.io
    watch: events
    events

system:certificates.k8s.io:certificatesigningrequests:nodeclient
    create: certificatesigningrequests/nodeclient @ certificates.k8s.io

system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
    create: certificatesigningrequests/selfnodeclient @ certificates.k8s.io

system:volume-scheduler
    read patch update: persistentvolumes
    read: storageclasses @ storage.k8s.io
    read patch update: persistentvolumeclaims

system:certificates.k8s.io:legacy-unknown-approver
    approve: signers @ certificates.k8s.io = kubernetes.io/legacy-unknown

system:certificates.k8s.io:kubelet-serving-approver
    approve: signers @ certificates.k8s.io = kubernetes.io/kubelet-serving

system:certificates.k8s.io:kube-apiserver-client-approver
    approve: signers @ certificates.k8s.io = kubernetes.io/kube-apiserver-client

system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
    approve: signers @ certificates.k8s.io = kubernetes.io/kube-apiserver-client-kubelet

system:service-account-issuer-discovery
    get: /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/

system:node-proxier
    list watch: endpoints services
    read: nodes
    events
    list watch: servicecidrs @ networking.k8s.io
    list watch: endpointslices @ discovery.k8s.io

system:kube-scheduler
    events
    create: leases @ coordination.k8s.io
    read update: leases @ coordination.k8s.io = kube-scheduler
    read write: leasecandidates @ coordination.k8s.io
    read: nodes
    delete read: pods
    create: bindings pods/binding
    patch update: pods/status
    read: replicationcontrollers services
    read: replicasets @ apps extensions
    read: statefulsets @ apps
    read: poddisruptionbudgets @ policy
    read: persistentvolumeclaims persistentvolumes
    create: tokenreviews @ authentication.k8s.io
    create: subjectaccessreviews @ authorization.k8s.io
    read: csinodes @ storage.k8s.io
    read: volumeattachments @ storage.k8s.io
    read: namespaces
    read: csidrivers @ storage.k8s.io
    read: csistoragecapacities @ storage.k8s.io
    read: deviceclasses @ resource.k8s.io
    read patch update: resourceclaims @ resource.k8s.io
    read patch update: resourceclaims/status @ resource.k8s.io
    update: pods/finalizers
    read: resourceslices @ resource.k8s.io
    create delete: resourceclaims @ resource.k8s.io
    patch update: resourceclaims/binding @ resource.k8s.io
"""  # noqa: E501

ROLES = {
    "kube-system": """
extension-apiserver-authentication-reader
    read: configmaps = extension-apiserver-authentication

system:controller:bootstrap-signer
    read: secrets

system:controller:cloud-provider
    create read: configmaps

system:controller:token-cleaner
    delete read: secrets
    events

system::leader-locking-kube-controller-manager
    watch: configmaps
    get update: configmaps = kube-controller-manager

system::leader-locking-kube-scheduler
    watch: configmaps
    get update: configmaps = kube-scheduler
""",
    "kube-public": """
system:controller:bootstrap-signer
    read: configmaps
    update: configmaps = cluster-info
    events
""",
}

CLUSTER_ROLE_BINDINGS = """
cluster-admin: Group system:masters
system:monitoring: Group system:monitoring
system:discovery: Group system:authenticated
system:basic-user: Group system:authenticated
system:public-info-viewer: Group system:authenticated, Group system:unauthenticated
system:node-proxier: User system:kube-proxy
system:kube-controller-manager: User system:kube-controller-manager
system:kube-dns: ServiceAccount kube-dns
system:kube-scheduler: User system:kube-scheduler
system:volume-scheduler: User system:kube-scheduler
system:node:
system:service-account-issuer-discovery: Group system:serviceaccounts
"""
"""A role, bound under its own name, and to whom; service accounts are those of kube-system."""

ROLE_BINDINGS = {
    "kube-system": """
system::extension-apiserver-authentication-reader: User system:kube-controller-manager, User system:kube-scheduler
system::leader-locking-kube-controller-manager: User system:kube-controller-manager, ServiceAccount kube-controller-manager
system::leader-locking-kube-scheduler: User system:kube-scheduler, ServiceAccount kube-scheduler
system:controller:bootstrap-signer: ServiceAccount bootstrap-signer
system:controller:cloud-provider: ServiceAccount cloud-provider
system:controller:token-cleaner: ServiceAccount token-cleaner
""",  # noqa: E501
    "kube-public": """
system:controller:bootstrap-signer: ServiceAccount bootstrap-signer
""",
}

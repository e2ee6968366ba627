"""Field numbers of meta/v1; see `apiserver.protobuf.field_numbers`."""

TABLE = """
Condition: type status observedGeneration lastTransitionTime reason message
DeleteOptions: gracePeriodSeconds preconditions orphanDependents propagationPolicy dryRun
    ignoreStoreReadErrorWithClusterBreakingPotential
FieldSelectorRequirement: key operator values
LabelSelector: matchLabels matchExpressions
LabelSelectorRequirement: key operator values
ListMeta: selfLink resourceVersion continue remainingItemCount
ManagedFieldsEntry: manager operation apiVersion time 6=fieldsType fieldsV1 subresource
ObjectMeta: name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp
    deletionGracePeriodSeconds labels annotations ownerReferences finalizers 17=managedFields
OwnerReference: kind 3=name uid apiVersion controller blockOwnerDeletion
PartialObjectMetadata: metadata
Preconditions: uid resourceVersion
Status: metadata status message reason details code
StatusCause: reason message field
StatusDetails: name group kind causes retryAfterSeconds uid
"""

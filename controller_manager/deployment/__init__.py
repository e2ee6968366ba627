"""Rolls a Deployment's pods from one template to the next.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/

`controller` decides what to do next; `revisions` finds and makes ReplicaSets; `sizes` has the arithmetic of
surge and unavailability; `progress` writes status and conditions.
"""

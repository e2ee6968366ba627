"""Keeps pods running that have a name and storage of their own each.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/

`controller` decides what to do next; `identity` makes the pods and knows them by their names; `claims` makes their
volume claims and says who owns these; `rollout` sorts pods out, picks those to update and counts them.
"""

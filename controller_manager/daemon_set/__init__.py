"""Keeps one pod running on every node that fits.

https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/

`controller` watches, makes and deletes pods and keeps their history; `placement` says which nodes are meant and ties a
pod to its node; `fleet` sorts pods out by their nodes, finds what is missing or too much, and counts; `rolling_update`
picks the old pods that are next; `backoff` slows down nodes on which pods fail.
"""

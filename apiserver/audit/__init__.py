"""The audit log: who asked what of the server, when, and what came of it.

https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
"""

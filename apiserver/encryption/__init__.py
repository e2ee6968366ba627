"""Encryption at rest: what is stored of chosen resources is unreadable without the keys of a file.

https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/
"""

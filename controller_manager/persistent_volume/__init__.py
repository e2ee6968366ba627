"""Persistent volumes: which claim has which, making them, what becomes of them, and how they grow.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/
"""

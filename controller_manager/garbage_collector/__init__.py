"""Deletes what nobody owns any more.

https://kubernetes.io/docs/concepts/architecture/garbage-collection/

`graph` knows who owns whom, `controller` watches every kind and decides.
"""

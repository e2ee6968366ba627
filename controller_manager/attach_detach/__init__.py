"""Attaches volumes of CSI drivers to the nodes whose pods use them, and detaches them afterwards.

https://kubernetes.io/docs/concepts/storage/volumes/#csi
"""

"""Notices lost nodes, marks them with taints, and lets their pods be evicted.

https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller

`health` decides from heartbeats what is known of a node, `taints` what taints it should have, `zones` how fast
nodes may be given up, `controller` does it, `eviction` deletes the pods that don't tolerate a taint.
"""

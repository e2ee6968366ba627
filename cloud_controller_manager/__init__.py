"""The part of the control plane that knows where the cluster runs: what its nodes are there, what leads to them.

https://kubernetes.io/docs/concepts/architecture/cloud-controller/

`provider` says what a place can do, `local` is this machine as such a place; each controller is a module of its own.
"""

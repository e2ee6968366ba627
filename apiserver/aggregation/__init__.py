"""Group versions that other servers serve: found through APIServices, proxied, checked, and shown as if they were ours.

Nothing of this is loaded before the first APIService that names a Service.

https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/
"""

"""Custom resources: what CustomResourceDefinitions define, served like everything else.

Nothing in here is loaded before there is a definition.
https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/custom-resources/
"""

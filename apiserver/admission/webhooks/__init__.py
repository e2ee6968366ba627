"""Webhooks that have a say in writes: which are asked, what they are told, what their answers do.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

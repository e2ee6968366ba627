"""Admission policies: rules and changes written as expressions, which hold where bindings say so.

Loaded when the first binding exists.

https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/ and mutating-admission-policy
"""

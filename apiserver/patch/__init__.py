"""Changing objects: the patch formats, and who owns which field afterwards.

All of it works on JSON-shaped dictionaries and `api.schema.Schema`, knows no kind, and changes none of its
arguments.  Formats: https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
"""

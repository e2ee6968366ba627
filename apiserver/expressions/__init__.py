"""What the API server evaluates in CEL (the package `cel`) for its users: rules of custom resources, the expressions of
admission policies and match conditions, with the environments and types of each.  Nothing of it is imported before
there is an expression.
"""

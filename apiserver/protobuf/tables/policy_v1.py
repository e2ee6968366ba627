"""Field numbers of policy/v1; see `apiserver.protobuf.field_numbers`."""

TABLE = """
Eviction: metadata deleteOptions
"""

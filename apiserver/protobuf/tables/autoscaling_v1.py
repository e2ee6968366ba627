"""Field numbers of autoscaling/v1; see `apiserver.protobuf.field_numbers`."""

TABLE = """
Scale: metadata spec status
ScaleSpec: replicas
ScaleStatus: replicas selector
"""

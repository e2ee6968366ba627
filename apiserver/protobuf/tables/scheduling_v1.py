"""Field numbers of scheduling.k8s.io/v1; see `apiserver.protobuf.field_numbers`."""

TABLE = """
PriorityClass: metadata value globalDefault description preemptionPolicy
"""

"""Field numbers of node.k8s.io/v1; see `apiserver.protobuf.field_numbers`."""

TABLE = """
Overhead: podFixed
RuntimeClass: metadata handler overhead scheduling
Scheduling: nodeSelector tolerations
"""

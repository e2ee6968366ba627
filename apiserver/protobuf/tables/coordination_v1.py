"""Field numbers of coordination/v1; see `apiserver.protobuf.field_numbers`."""

TABLE = """
Lease: metadata spec
LeaseSpec: holderIdentity leaseDurationSeconds acquireTime renewTime leaseTransitions strategy preferredHolder
"""

"""Field numbers of discovery/v1; see `apiserver.protobuf.field_numbers`."""

TABLE = """
Endpoint: addresses conditions hostname targetRef deprecatedTopology nodeName zone hints
EndpointConditions: ready serving terminating
EndpointHints: forZones forNodes
EndpointPort: name protocol port appProtocol
EndpointSlice: metadata endpoints ports addressType
ForNode: name
ForZone: name
"""

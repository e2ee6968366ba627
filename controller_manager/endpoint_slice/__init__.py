"""Writes down where each Service is served from, as EndpointSlices.

https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/

`controller` watches and writes, `endpoints` turns pods into endpoints and ports, `packing` spreads endpoints over
slices with as few writes as it can.
"""

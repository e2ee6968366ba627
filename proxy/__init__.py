"""Makes Services reachable: turns Services and EndpointSlices into rules on this machine."""

"""The network of a node's pods: namespaces, addresses, routes; a loopback stand-in without root."""

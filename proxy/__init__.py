"""Makes Services reachable: turns Services and EndpointSlices into rules on this machine.

`service_map` says what they mean, a *mode* brings it about: `iptables` (root; rules in the kernel) or
`userspace` (anyone; listeners and relays, the service range inside 127.0.0.0/8).

One proxy serves a whole machine or network namespace, however many nodes are on it: `--hostname-override`
takes all their names, so that traffic policy Local knows what is local.  Several clusters on one machine each
run a proxy with an `--instance` of their own: it becomes part of every chain's name, so that they neither touch
nor remove each other's rules.  Their service ranges must differ, and node ports are the machine's: the first
cluster to use one has it.
"""

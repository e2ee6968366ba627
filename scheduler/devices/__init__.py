"""Allocation of devices to ResourceClaims by structured parameters (KEP-4381), for the plugin DynamicResources.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/.  Drivers publish devices in
ResourceSlices, grouped in pools; claims ask for devices by class, selectors (CEL), number, constraints.  `inventory`
knows claims, slices and classes, `pools` what of them a node can use, `allocator` searches devices for claims,
`results` writes down what it found.  Nothing but `inventory` is imported before a pod asks for devices.
"""

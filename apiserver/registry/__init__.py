"""What is special about each kind: one strategy per resource, found in `registry.table`."""

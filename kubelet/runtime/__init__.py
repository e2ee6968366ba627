"""Container runtimes behind one Protocol: `process` (real processes), later `cri` (containerd) and `sim`."""

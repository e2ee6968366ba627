"""Plugins that change or refuse writes: mutating ones first, then validating ones."""

"""A stand-in component."""

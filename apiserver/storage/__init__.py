"""Where objects are kept: one Protocol, drivers behind it, and the watch cache in front."""

"""Who is asking: tokens of every kind, and the configuration that says which are believed."""

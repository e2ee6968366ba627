"""The `process` runtime: a container is a real process tree on the host's file system."""

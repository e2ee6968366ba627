"""The REST server, and the only owner of the store.  Everything else in the cluster is its client."""

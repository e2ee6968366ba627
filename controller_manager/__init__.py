"""Controllers: each drives the cluster from what is towards what was asked for."""

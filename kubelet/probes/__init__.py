"""Is the container started, alive, ready?  https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/."""

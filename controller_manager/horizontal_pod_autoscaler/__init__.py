"""Scales workloads with their load.

`metrics_client` reads measures, `replica_calculator` says how many replicas a measure asks for, `metrics` does that for
each metric of an autoscaler, `behavior` tames what comes out, `controller` puts it together and writes it down.
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
"""

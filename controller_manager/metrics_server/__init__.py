"""metrics.k8s.io: what nodes and pods use, for `kubectl top` and for autoscalers.

    aggregator of the API server → server → answers → usage → kubelets' /stats/summary, through the API server

Nothing is measured while nobody asks.
https://kubernetes.io/docs/tasks/debug/debug-cluster/resource-metrics-pipeline/
"""

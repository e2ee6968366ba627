"""The controller of Jobs (https://kubernetes.io/docs/concepts/workloads/controllers/job/)."""

"""The controller of CronJobs (https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/)."""

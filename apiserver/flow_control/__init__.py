"""Priority and fairness: whose requests are served before whose, and who is turned away.

Requests are classified (`classification`, `controller`), take seats of a priority level or wait for them in queues
(`priority_level`, `shuffle_sharding`), and begin a few at a time (`turns`).  Seats are shared out and lent by
`concurrency`.  https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
"""

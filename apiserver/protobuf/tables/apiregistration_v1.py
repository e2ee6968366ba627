"""Field numbers of apiregistration.k8s.io/v1; see `apiserver.protobuf.field_numbers`."""

TABLE = """
APIService: metadata spec status
APIServiceCondition: type status lastTransitionTime reason message
APIServiceSpec: service group version insecureSkipTLSVerify caBundle 7=groupPriorityMinimum versionPriority
APIServiceStatus: conditions
ServiceReference: namespace name port
"""

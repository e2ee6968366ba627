"""Priority and fairness: the flow schemas and priority levels every cluster has."""

"""The Pod Security Standards: which checks a pod must pass at which level, in which version."""

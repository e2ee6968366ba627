"""Who may do what: the authorizers of `--authorization-mode`, and the roles every cluster has."""

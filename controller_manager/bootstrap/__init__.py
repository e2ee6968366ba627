"""Bootstrap tokens, by which machines join a cluster before they have a certificate.

https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/

`token` reads them out of Secrets, `signer` signs the public `cluster-info` with them, `cleaner` deletes them in time.
"""

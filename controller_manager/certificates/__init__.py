"""Certificate signing requests: approved for kubelets, signed for Kubernetes' own signers, and cleaned away.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
"""

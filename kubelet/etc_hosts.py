"""The /etc/hosts of pods, with the pod's own name and its `hostAliases`.

See https://kubernetes.io/docs/tasks/network/customize-hosts-file-for-pods/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from api.core_v1 import Pod

_HEAD = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
fe00::\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


def etc_hosts(
    pod: Pod, pod_ips: Sequence[str], hostname: str, domain: str, host_file: Path = Path("/etc/hosts")
) -> str:
    """The text; a pod on its node's network gets the node's file with the aliases added."""
    if pod.spec.hostNetwork:
        text = "# Kubernetes-managed hosts file (host network).\n"
        text += host_file.read_text() if host_file.exists() else ""
    else:
        text = _HEAD
        for ip in pod_ips:
            names = hostname
            if pod.spec.subdomain:
                names = f"{hostname}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{domain}\t{hostname}"
            text += f"{ip}\t{names}\n"
    if pod.spec.hostAliases:
        text += "\n# Entries added by HostAliases.\n"
        text += "".join(alias.ip + "\t" + "\t".join(alias.hostnames) + "\n" for alias in pod.spec.hostAliases)
    return text

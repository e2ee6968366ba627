"""The /etc/resolv.conf of pods: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from api.core_v1 import Pod

_HOST_FILE = Path("/etc/resolv.conf")
_NAMESERVERS, _SEARCHES = 3, 32


def resolv_conf(pod: Pod, cluster_dns: Sequence[str], domain: str, host_file: Path = _HOST_FILE) -> str | None:
    """The text, or None where the node's own file will do."""
    policy = pod.spec.dnsPolicy or "ClusterFirst"
    if policy == "ClusterFirst" and pod.spec.hostNetwork:
        policy = "Default"
    cluster = policy in ("ClusterFirst", "ClusterFirstWithHostNet") and bool(cluster_dns)
    config = pod.spec.dnsConfig
    if policy != "None" and not cluster and config is None:
        return None
    servers, searches, options = ([], [], []) if policy == "None" else _read(host_file)
    if cluster:
        service = f"svc.{domain}"
        servers = [*cluster_dns]
        searches = [f"{pod.metadata.namespace}.{service}", service, domain, *searches]
        options = ["ndots:5"]
    if config is not None:
        servers = [*servers, *config.nameservers]
        searches = [*searches, *config.searches]
        given = {option.name: option.value for option in config.options}
        options = [option for option in options if option.partition(":")[0] not in given]
        options += [name if value is None else f"{name}:{value}" for name, value in given.items()]
    lines = [f"nameserver {server}" for server in dict.fromkeys(servers)][:_NAMESERVERS]
    if searches:
        lines.insert(0, "search " + " ".join([*dict.fromkeys(searches)][:_SEARCHES]))
    if options:
        lines.append("options " + " ".join(options))
    return "\n".join(lines) + "\n"


def _read(path: Path) -> tuple[list[str], list[str], list[str]]:
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in path.read_text().splitlines() if path.exists() else ():
        words = line.split()
        if not words:
            continue
        if words[0] == "nameserver":
            servers += words[1:2]
        elif words[0] in ("search", "domain"):
            searches = words[1:]
        elif words[0] == "options":
            options += words[1:]
    return servers, searches, options

"""What a node's pods need of the machine's packet filter: to be forwarded, and to reach the world under the node's
address.  Rules live in chains of the node's own; the proxy's rules for Services are not touched."""

from __future__ import annotations

import shutil
import subprocess


class Firewall:
    """`tag` is in the names of all chains.  Blocking: a few calls of iptables (some 10 ms) at start and end."""

    def __init__(self, tag: str) -> None:
        self._masquerade = f"NANOKUBE-OUT-{tag}"
        self._forward = f"NANOKUBE-FWD-{tag}"
        self.problem = ""

    def apply(self, pod_cidr: str, cluster_cidr: str) -> None:
        """Idempotent.  What cannot be done is said in `problem`: pods then still reach each other and the host."""
        program = shutil.which("iptables-restore")
        if program is None or shutil.which("iptables") is None:
            self.problem = "pods cannot reach beyond this machine: iptables is not installed"
            return
        inside = [f"-A {self._masquerade} -d {cluster_cidr} -j RETURN"] if cluster_cidr else []
        rules = [
            "*nat",
            f":{self._masquerade} - [0:0]",
            *inside,
            f"-A {self._masquerade} -d 224.0.0.0/4 -j RETURN",
            f"-A {self._masquerade} ! -o nk+ -j MASQUERADE",
            "COMMIT",
            "*filter",
            f":{self._forward} - [0:0]",
            f"-A {self._forward} -s {pod_cidr} -j ACCEPT",
            f"-A {self._forward} -d {pod_cidr} -j ACCEPT",
            "COMMIT",
            "",
        ]
        done = subprocess.run([program, "-w", "5", "--noflush"], input="\n".join(rules), text=True, capture_output=True)
        if done.returncode:
            self.problem = f"pods cannot reach beyond this machine: iptables-restore: {done.stderr.strip()}"
            return
        self._jump("nat", "-A", "POSTROUTING", "-s", pod_cidr, "-j", self._masquerade)
        self._jump("filter", "-I", "FORWARD", "-j", self._forward)
        self.problem = ""

    def remove(self) -> None:
        """Idempotent."""
        if shutil.which("iptables") is None:
            return
        for table, base, chain in (("nat", "POSTROUTING", self._masquerade), ("filter", "FORWARD", self._forward)):
            for rule in _iptables(table, "-S", base).stdout.splitlines():
                words = rule.split()
                if words[-1] == chain and words[0] == "-A":
                    _iptables(table, "-D", *words[1:])
            _iptables(table, "-F", chain)
            _iptables(table, "-X", chain)

    def _jump(self, table: str, how: str, *rule: str) -> None:
        if _iptables(table, "-C", *rule).returncode:
            _iptables(table, how, *rule)


def _iptables(table: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["iptables", "-w", "5", "-t", table, *arguments], text=True, capture_output=True)

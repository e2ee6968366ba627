"""Rules of the packet filter that a killed cluster left, whose folder nobody starts or ends again.

A cluster that is started again takes its own rules over, and `nanokube down` removes them.  Those of others are known
by the pods they are for: who has just claimed a range for a new cluster knows that no running one uses it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from ipaddress import IPv4Network

_CHAIN = re.compile(r"KUBE-[A-Z-]+-(?P<proxy>[A-Z2-7]{5})(?:-[A-Z2-7]{12})?|NANOKUBE-(?:OUT|FWD)-(?P<node>\w+)")
"""Chains of a proxy with an `--instance`, and of a node.  Kubernetes' own proxy has no chains of such names."""
_RULE = re.compile(r"-A (?P<chain>\S+).*? -j (?P<target>\S+)")
_SOURCE = re.compile(r" (?P<other>! )?-s (?P<range>\S+)")


def remove_stale_rules(pods: IPv4Network) -> None:
    """Remove the rules of clusters that had pods in this range.  Some 10 ms where there are none."""
    if shutil.which("iptables-save") is None or shutil.which("iptables-restore") is None:
        return
    saved = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout
    if commands := removal(saved, pods):
        restore = ["iptables-restore", "-w", "5", "--noflush"]
        subprocess.run(restore, input=commands, capture_output=True, text=True, check=False)


def removal(saved: str, pods: IPv4Network) -> str:
    """What to tell `iptables-restore --noflush`, given what `iptables-save` says; "" when there is nothing."""
    lines = saved.splitlines()
    stale = {owner for line in lines if (owner := _owner_if_for(pods, line))}
    if not stale:
        return ""
    commands: list[str] = []
    chains: list[str] = []
    for line in lines:
        rule = _RULE.match(line)
        if line.startswith("*"):
            commands.append(line)
        elif line.startswith(":") and _owner(name := line[1:].split()[0]) in stale:
            chains.append(name)
        elif rule and _owner(rule["target"]) in stale and not _owner(rule["chain"]):
            commands.append(f"-D{line[2:]}")
        elif line == "COMMIT":
            commands += [*(f"-F {chain}" for chain in chains), *(f"-X {chain}" for chain in chains), line]
            chains.clear()
    return "\n".join([*commands, ""])


def _owner(chain: str) -> str:
    """Which proxy or node a chain belongs to; "" for none of ours."""
    found = _CHAIN.fullmatch(chain)
    return (found["proxy"] or found["node"]) if found else ""


def _owner_if_for(pods: IPv4Network, line: str) -> str:
    """Whose the rule is, if it shows that its owner's pods are in that range: a proxy's is for what comes from
    elsewhere (sources it names otherwise may be anybody's), a node's for what comes from its pods."""
    rule, source = _RULE.match(line), _SOURCE.search(line)
    owned = rule and (_CHAIN.fullmatch(rule["target"]) or _CHAIN.fullmatch(rule["chain"]))
    if not owned or not source or bool(owned["proxy"]) != bool(source["other"]):
        return ""
    return _owner(owned[0]) if IPv4Network(source["range"]).overlaps(pods) else ""

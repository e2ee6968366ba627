"""A machine with pods, made of network namespaces: run inside `unshare --net`, which takes it all away again.

`python -m tests.proxy.machine SCENARIO` runs one scenario of `tests.proxy.scenarios` on a fresh machine.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from proxy.iptables import Iptables
from proxy.iptables_rules import Settings
from tests.proxy.objects import mapped
from tests.proxy.pod import PORT, ask

GATEWAY = "169.254.1.1"
HOST_IP = "192.0.2.10"


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Pod:
    """A process in its own namespace, joined to the machine's by a pair of virtual devices and a route."""

    def __init__(self, number: int) -> None:
        self.name, self.ip = f"pod{number}", f"10.244.0.{number}"
        self._process = subprocess.Popen(
            ["unshare", "--net", sys.executable, "-m", "tests.proxy.pod", self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._tell()  # it has its namespace once it answers
        device = f"veth{number}"
        run("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", str(self._process.pid))
        run("ip", "link", "set", device, "up")
        run("ip", "addr", "add", f"{GATEWAY}/32", "dev", device)
        run("ip", "route", "add", f"{self.ip}/32", "dev", device)
        self._tell(setup=[self.ip, GATEWAY])

    def _tell(self, **command: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def ask(self, ip: str, port: int, protocol: str = "TCP", source_port: int = 0) -> str:
        """What the pod sees when it connects there."""
        answer: str = self._tell(ask=[ip, port, protocol, source_port])
        return answer

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()


class Machine:
    """The namespace this process is in, with pods and a proxy."""

    def __init__(self, pods: int = 3, **settings: Any) -> None:
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "wire")
        run("ip", "addr", "add", f"{HOST_IP}/24", "dev", "uplink")
        run("ip", "link", "set", "uplink", "up")
        run("ip", "link", "set", "wire", "up")
        run("ip", "route", "add", "default", "dev", "uplink")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        self.pods = [Pod(number) for number in range(2, 2 + pods)]
        self.proxy = Iptables(Settings(**settings))

    async def apply(self, *objects: Any, proxy: Iptables | None = None) -> bool:
        return await (proxy or self.proxy).apply(mapped(*objects))

    def ask(self, ip: str, port: int, protocol: str = "TCP", source_port: int = 0) -> str:
        """What the machine itself sees when it connects there."""
        return ask(ip, port, protocol, source_port)

    def answering(self, ip: str, port: int, times: int = 30, protocol: str = "TCP") -> set[str]:
        """The names of those who answer."""
        return {self.ask(ip, port, protocol).split()[0] for _ in range(times)}

    def rules(self) -> str:
        """Everything in the tables that is not a policy or comment of iptables-save."""
        lines = [*run("iptables-save", "-t", "nat").splitlines(), *run("iptables-save", "-t", "filter").splitlines()]
        return "\n".join(line for line in lines if line.startswith(("-", ":KUBE")))

    def stop(self) -> None:
        for pod in self.pods:
            pod.stop()


async def main(name: str) -> None:
    from tests.proxy import scenarios

    await getattr(scenarios, name)()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

__all__ = ["HOST_IP", "PORT", "Machine", "run"]

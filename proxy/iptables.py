"""The iptables mode: brings the kernel's rules to what a service map asks for, and takes them all away at the end."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from proxy.conntrack import forget, stale_flows
from proxy.iptables_rules import HOOKS, Ruleset, Settings, render, restore_input
from proxy.service_map import ServiceMap

log = logging.getLogger(__name__)

_ROUTE_LOCALNET = Path("/proc/sys/net/ipv4/conf/all/route_localnet")
_CHAIN = re.compile(r"^:(\S+) ", re.MULTILINE)
_CAP_NET_ADMIN = 12


class IptablesError(Exception):
    """The kernel or the program refused; the text says what."""


class Iptables:
    """Rules of one instance in this network namespace, for one IP family.

    The first `apply` takes over whatever chains an earlier run of the same instance left behind; later ones
    send only what changed, atomically.  `remove` leaves nothing of the instance.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._program = "ip6tables" if settings.family == 6 else "iptables"
        self._applied: dict[str, dict[str, list[str]]] | None = None
        self._services = ServiceMap()
        self._localnet_was: str | None = None

    async def apply(self, services: ServiceMap) -> bool:
        """Returns whether anything had to change.  Raises IptablesError; then the next call does everything anew."""
        rules = render(services, self._settings)
        fresh = self._applied is None
        applied = self._applied if self._applied is not None else await self._left_behind()
        text = restore_input(applied, rules)
        if text:
            self._applied = None  # unknown, should this fail
            await self._run(f"{self._program}-restore", "--noflush", "-w", "5", input=text)
        self._applied = {table: dict(chains) for table, chains in rules.tables()}
        if fresh:
            await self._hook()
            self._allow_localhost()
        stale = stale_flows(self._services.ports, services.ports)
        self._services = services
        if stale:
            try:
                await asyncio.to_thread(forget, stale)
            except OSError as error:
                log.warning("stale UDP flows could not be removed: %s", error)
        return bool(text)

    async def remove(self) -> None:
        """Delete every rule and chain of this instance, also of an earlier run's."""
        for table, builtin, chain, matches in HOOKS:
            jump = self._jump(builtin, chain, matches)
            while await self._succeeds(self._program, "-w", "5", "-t", table, "-D", *jump):
                pass
        left = await self._left_behind()
        text = restore_input(left, Ruleset())
        if text:
            await self._run(f"{self._program}-restore", "--noflush", "-w", "5", input=text)
        self._applied = None
        if self._localnet_was is not None and not await self._others():
            self._forbid_localhost()

    async def _left_behind(self) -> dict[str, dict[str, list[str]]]:
        """Our chains as the kernel has them; their contents count as different from anything."""
        found: dict[str, dict[str, list[str]]] = {}
        for table in ("filter", "nat"):
            saved = await self._run(f"{self._program}-save", "-t", table)
            found[table] = {name: ["?"] for name in _CHAIN.findall(saved) if self._settings.owns(name)}
        return found

    async def _others(self) -> bool:
        """Whether another instance has rules here."""
        saved = await self._run(f"{self._program}-save", "-t", "nat")
        return any(name.startswith("KUBE-SERVICES") for name in _CHAIN.findall(saved))

    async def _hook(self) -> None:
        """Jump to our chains from the built-in ones, in front of what is there."""
        for table, builtin, chain, matches in reversed(HOOKS):
            jump = self._jump(builtin, chain, matches)
            if not await self._succeeds(self._program, "-w", "5", "-t", table, "-C", *jump):
                await self._run(self._program, "-w", "5", "-t", table, "-I", *jump)

    def _jump(self, builtin: str, chain: str, matches: str) -> list[str]:
        words = [w.strip('"') for w in re.findall(r'"[^"]*"|\S+', matches)]
        return [builtin, *words, "-j", self._settings.chain(chain)]

    def _allow_localhost(self) -> None:
        """Let packets from 127.0.0.1 leave the loopback device, for 127.0.0.1:nodePort."""
        if self._settings.family != 4 or not self._settings.localhost_nodeports:
            return
        try:
            if (was := _ROUTE_LOCALNET.read_text().strip()) != "1":
                _ROUTE_LOCALNET.write_text("1")
                self._localnet_was = was
        except OSError as error:
            log.warning("node ports will not answer on 127.0.0.1: %s", error)

    def _forbid_localhost(self) -> None:
        if self._localnet_was is not None:
            _ROUTE_LOCALNET.write_text(self._localnet_was)
            self._localnet_was = None

    def distrust(self) -> None:
        """Have the next `apply` look at the kernel again: someone else may have changed our rules."""
        self._applied = None

    async def _succeeds(self, *command: str) -> bool:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        async with _ended(process):
            return await process.wait() == 0

    async def _run(self, *command: str, input: str = "") -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE if input else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise IptablesError(f"{command[0]} is not installed") from error
        async with _ended(process):
            out, err = await process.communicate(input.encode() if input else None)
        if process.returncode:
            raise IptablesError(f"{' '.join(command)}: {err.decode(errors='replace').strip()}")
        return out.decode()


@asynccontextmanager
async def _ended(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Who is cancelled leaves no process behind that goes on changing rules while others do."""
    try:
        yield
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def available() -> str:
    """Why iptables cannot be used here; empty when it can."""
    if shutil.which("iptables-restore") is None:
        return "iptables is not installed"
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return "this is not Linux"
    capabilities = int(next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1], 16)
    return "" if capabilities >> _CAP_NET_ADMIN & 1 else "it takes root (CAP_NET_ADMIN)"

"""From a pod's specification to the runtime's configuration: names, folders, mounts, environment, logs."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from api import quantity
from api.core_v1 import Container, Pod, Service, VolumeMount
from kubelet.annotations import GRACE, HASH, IMAGE_ID
from kubelet.configuration import WatchedConfiguration
from kubelet.environment import ConfigurationError, environment, expand
from kubelet.etc_hosts import etc_hosts
from kubelet.pod_actions import container_hash
from kubelet.resolv_conf import resolv_conf
from kubelet.runtime.protocol import (
    ContainerConfig,
    ContainerState,
    ContainerStatus,
    Image,
    Mount,
    Resources,
    RuntimeFeatures,
    SandboxConfig,
)
from kubelet.security import security_config
from kubelet.volumes.manager import READ_ONLY_KINDS, VolumeManager, kind_of
from kubelet.volumes.persistent import is_read_only
from kubelet.volumes.service_account_token import TokenCache

_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_TERMINATION_LOG = "/dev/termination-log"
_MESSAGE_LIMIT = 4096
_LOG_LIMIT, _LOG_LINES = 2048, 80


@dataclass(frozen=True, slots=True)
class PreparationOptions:
    """`root` is the kubelet's own folder; `cluster_dns` the DNS servers of pods, none for the node's own."""

    root: Path
    cluster_dns: Sequence[str] = ()
    cluster_domain: str = "cluster.local"
    log_max_bytes: int = 10 << 20
    log_max_files: int = 5


class FilePreparation:
    """Prepares pods for runtimes that run real processes."""

    def __init__(
        self,
        options: PreparationOptions,
        volumes: VolumeManager,
        configuration: WatchedConfiguration,
        tokens: TokenCache,
        services: Callable[[], Awaitable[Iterable[Service]]],
        features: Callable[[], RuntimeFeatures],
        allocatable: Mapping[str, str],
        host_ips: tuple[str, ...],
    ) -> None:
        self._options = options
        self._volumes, self._configuration, self._tokens = volumes, configuration, tokens
        self._services, self._features = services, features
        self._allocatable, self._host_ips = allocatable, host_ips
        self._paths: dict[str, dict[str, Path]] = {}

    async def prepare(self, pod: Pod) -> None:
        """Set up folders and volumes.  Raises VolumeError."""
        self._directory(pod).mkdir(parents=True, exist_ok=True)
        self._configuration.follow(pod)
        self._paths[pod.metadata.uid] = await self._volumes.set_up(pod)

    async def refresh(self, pod: Pod) -> None:
        """Raises VolumeError."""
        await self._volumes.set_up(pod)

    def renew_at(self, pod: Pod) -> datetime | None:
        return self._volumes.renew_at(pod.metadata.uid)

    async def release(self, uid: str) -> None:
        self._configuration.unfollow(uid)
        self._tokens.forget(uid)
        self._paths.pop(uid, None)
        self._volumes.tear_down(uid)
        shutil.rmtree(self._volumes.pod_directory(uid) / "volumes", ignore_errors=True)

    def forget_run(self, pod: Pod, run: ContainerStatus) -> None:
        if run.log_path:
            log = Path(run.log_path)
            for file in log.parent.glob(log.name + "*"):  # rotated ones too
                file.unlink(missing_ok=True)
        self._message_file(pod, run.name, run.attempt).unlink(missing_ok=True)

    def sweep(self, keep: Set[str]) -> None:
        for directory in (self._options.root / "pods").glob("*"):
            if directory.name not in keep:
                self._volumes.tear_down(directory.name)
                shutil.rmtree(directory, ignore_errors=True)
        for directory in (self._options.root / "logs").glob("*_*_*"):
            if directory.name.rpartition("_")[2] not in keep:
                shutil.rmtree(directory, ignore_errors=True)

    async def remove(self, pod: Pod) -> None:
        shutil.rmtree(self._directory(pod), ignore_errors=True)
        shutil.rmtree(self.log_directory(pod), ignore_errors=True)

    def _directory(self, pod: Pod) -> Path:
        return self._volumes.pod_directory(pod.metadata.uid)

    def log_directory(self, pod: Pod) -> Path:
        """Where the logs of a pod's containers are, a folder each."""
        meta = pod.metadata
        return self._options.root / "logs" / f"{meta.namespace}_{meta.name}_{meta.uid}"

    # --- configurations --------------------------------------------------------------------------

    def sandbox_config(self, pod: Pod, attempt: int) -> SandboxConfig:
        meta, spec = pod.metadata, pod.spec
        return SandboxConfig(
            pod_uid=meta.uid,
            pod_name=meta.name,
            pod_namespace=meta.namespace,
            hostname=self._hostname(pod),
            host_network=spec.hostNetwork,
            host_pid=spec.hostPID,
            host_ipc=spec.hostIPC,
            share_process_namespace=bool(spec.shareProcessNamespace),
            attempt=attempt,
            labels=meta.labels,
            annotations=meta.annotations,
        )

    def _hostname(self, pod: Pod) -> str:
        name = (pod.spec.hostnameOverride or pod.spec.hostname or pod.metadata.name)[:63].rstrip("-.")
        if pod.spec.setHostnameAsFQDN and pod.spec.subdomain:
            return f"{name}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{self._options.cluster_domain}"
        return name

    async def container_config(
        self, pod: Pod, container: Container, attempt: int, image: Image, pod_ips: tuple[str, ...]
    ) -> ContainerConfig:
        """Raises ConfigurationError."""
        values = await environment(
            pod, container, self._configuration, await self._services(), self._allocatable, pod_ips, self._host_ips
        )
        logs = self.log_directory(pod) / container.name
        logs.mkdir(parents=True, exist_ok=True)
        requests, limits = container.resources.requests, container.resources.limits
        return ContainerConfig(
            name=container.name,
            image=container.image,
            command=[expand(word, values) for word in container.command],
            args=[expand(word, values) for word in container.args],
            attempt=attempt,
            environment=values,
            working_dir=container.workingDir,
            mounts=self._mounts(pod, container, attempt, values, pod_ips),
            security=security_config(pod, container),
            resources=Resources(
                quantity.milli(requests.get("cpu", "0")),
                quantity.milli(limits.get("cpu", "0")),
                quantity.whole(limits.get("memory", "0")),
            ),
            tty=container.tty,
            stdin=container.stdin,
            stdin_once=container.stdinOnce,
            log_path=str(logs / f"{attempt}.log"),
            log_max_bytes=self._options.log_max_bytes,
            log_max_files=self._options.log_max_files,
            stop_signal=(container.lifecycle.stopSignal if container.lifecycle else None) or "SIGTERM",
            annotations={
                HASH: container_hash(container),
                IMAGE_ID: image.id,
                GRACE: str(pod.spec.terminationGracePeriodSeconds or 30),
            },
        )

    # --- mounts ----------------------------------------------------------------------------------

    def _mounts(
        self, pod: Pod, container: Container, attempt: int, values: Mapping[str, str], pod_ips: tuple[str, ...]
    ) -> list[Mount]:
        mounts = [self._volume_mount(pod, mount, values) for mount in container.volumeMounts]
        taken = {mount.container_path for mount in mounts}
        for path, file in self._own_files(pod, container, attempt, pod_ips).items():
            if path not in taken:
                mounts.append(Mount(str(file), path, optional=True))
        return mounts

    def _volume_mount(self, pod: Pod, mount: VolumeMount, values: Mapping[str, str]) -> Mount:
        base = self._paths.get(pod.metadata.uid, {}).get(mount.name)
        if base is None:
            raise ConfigurationError(f'cannot find volume "{mount.name}" to mount')
        volume = next(v for v in pod.spec.volumes if v.name == mount.name)
        sub_path = expand(mount.subPathExpr, values) if mount.subPathExpr else mount.subPath
        return Mount(
            host_path=str(_below(base, sub_path) if sub_path else base),
            container_path=mount.mountPath,
            read_only=mount.readOnly or kind_of(volume) in READ_ONLY_KINDS or is_read_only(volume),
            recursive_read_only=mount.recursiveReadOnly in ("Enabled", "IfPossible"),
            optional=mount.mountPath == _TOKEN_PATH,
        )

    def _own_files(self, pod: Pod, container: Container, attempt: int, pod_ips: tuple[str, ...]) -> Mapping[str, Path]:
        """What the kubelet mounts of itself: name resolution and the place for a last message."""
        directory = self._directory(pod)
        files = {}
        own_network = self._features().pod_network and not pod.spec.hostNetwork
        if own_network or pod.spec.hostAliases:
            files["/etc/hosts"] = directory / "etc-hosts"
            text = etc_hosts(pod, pod_ips, self._hostname(pod), self._options.cluster_domain)
            files["/etc/hosts"].write_text(text)
        resolver = resolv_conf(pod, self._options.cluster_dns, self._options.cluster_domain)
        if resolver is not None:
            files["/etc/resolv.conf"] = directory / "resolv.conf"
            files["/etc/resolv.conf"].write_text(resolver)
        message = self._message_file(pod, container.name, attempt)
        message.parent.mkdir(parents=True, exist_ok=True)
        message.touch()
        message.chmod(0o666)
        files[container.terminationMessagePath or _TERMINATION_LOG] = message
        return files

    def _message_file(self, pod: Pod, container: str, attempt: int) -> Path:
        return self._directory(pod) / "containers" / container / str(attempt)

    def termination_message(self, pod: Pod, container: Container, run: ContainerStatus) -> str:
        """What the run wrote to its terminationMessagePath, or, if asked for, the end of a failed run's log."""
        file = self._message_file(pod, run.name, run.attempt)
        try:
            text = file.read_bytes()[-_MESSAGE_LIMIT:].decode(errors="replace") if file.exists() else ""
        except OSError as error:
            return f"Error reading termination log {file.name}: {error.strerror}"
        failed = run.exit_code != 0 or run.state == ContainerState.UNKNOWN
        if text or not failed or container.terminationMessagePolicy != "FallbackToLogsOnError":
            return text
        return _tail(Path(run.log_path)) if run.log_path else ""


def _below(base: Path, sub_path: str) -> Path:
    """A path inside a volume, made when it does not exist.  Raises ConfigurationError if it leads out of it."""
    if sub_path.startswith("/") or ".." in sub_path.split("/"):
        raise ConfigurationError(f"invalid subPath: {sub_path}")
    path = base / sub_path
    root = base.resolve()
    existing = path
    while not existing.exists():
        existing = existing.parent
    if not existing.resolve().is_relative_to(root):
        raise ConfigurationError(f"subPath {sub_path} is not inside its volume")
    if not path.exists():
        path.mkdir(parents=True, mode=0o750)
        path.chmod(base.stat().st_mode & 0o777)
    return path.resolve()


def _tail(log: Path) -> str:
    """The last lines of a container's log, without what the log format adds to them."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _LOG_LIMIT * 4))
            raw = file.read().decode(errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        return ""
    text = ""
    for line in raw:
        parts = line.split(" ", 3)
        if len(parts) == 4:
            text += parts[3] + ("" if parts[2] == "P" else "\n")
    return text[-_LOG_LIMIT:]

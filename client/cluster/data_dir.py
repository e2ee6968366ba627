"""The folder a cluster lives in: its database, certificates, kubeconfigs, logs and nodes.

nanokube.pid   held locked by the launcher for as long as the cluster runs, and its process id
cluster.json   what the next start needs: address ranges, nodes, runtime, port
run.json       the processes of the running cluster
kubeconfig     the administrator's; kubeconfigs/ has the components'
pki/ logs/ nodes/<name>/ and the API server's database
volumes/       what persistent volumes of the default storage class hold, a folder each
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from client.cluster.errors import ClusterError

DEFAULT_PORT = 6443
_LOOKS, _GLANCE = 10, 0.01
"""How often, and how many seconds apart, a lock is tried: who only looks (`DataDir.owner`) holds it for a moment."""


def default_data_dir() -> Path:
    """Where clusters are kept when nobody says otherwise (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share") / "nanokube"


@dataclass
class Settings:
    """What a cluster was made with.  Its ranges cannot change later:
    services keep the addresses they were given."""

    nodes: int = 1
    runtime: str = "process"
    port: int = DEFAULT_PORT
    pod_range: str = ""
    service_range: str = ""
    token_auth_file: str = ""
    bind_address: str = "127.0.0.1"
    cloud_provider: str = ""

    @classmethod
    def load(cls, path: Path) -> Settings | None:
        """Read `cluster.json`; None when there is none.  Raises ClusterError when it is not ours."""
        try:
            document = json.loads(path.read_bytes())
            known = {name: document[name] for name in cls.__dataclass_fields__ if name in document}
            settings = cls(**known)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, OSError) as error:
            raise ClusterError(f"{path} cannot be read as a cluster's settings: {error}") from error
        if not isinstance(document, dict) or not isinstance(settings.nodes, int):
            raise ClusterError(f"{path} cannot be read as a cluster's settings")
        return settings

    def save(self, path: Path) -> None:
        write_whole(path, json.dumps(asdict(self), indent=2) + "\n")


@dataclass
class RunState:
    """The processes of a running cluster; `started` is the time of day in seconds."""

    pid: int = 0
    started: float = 0.0
    ready: bool = False
    components: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> RunState | None:
        try:
            document: dict[str, Any] = json.loads(path.read_bytes())
            return cls(**{name: document[name] for name in cls.__dataclass_fields__ if name in document})
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def save(self, path: Path) -> None:
        write_whole(path, json.dumps(asdict(self)) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step: a reader sees the old or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


class DataDir:
    """Paths in one cluster's folder, and the lock on it."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root.expanduser()))
        self.settings = self.root / "cluster.json"
        self.run_state = self.root / "run.json"
        self.kubeconfig = self.root / "kubeconfig"
        self.logs = self.root / "logs"
        self._pid_file = self.root / "nanokube.pid"
        self._lock: int | None = None

    def kubeconfig_of(self, component: str) -> Path:
        return self.root / "kubeconfigs" / f"{component}.kubeconfig"

    def node(self, name: str) -> Path:
        return self.root / "nodes" / name

    def log(self, component: str) -> Path:
        return self.logs / f"{component}.log"

    def create(self) -> None:
        """Make the folder, or see that it can be used.  Raises ClusterError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.logs.mkdir(exist_ok=True)
            probe = self.root / f".writable.{os.getpid()}"
            probe.touch()
            probe.unlink()
        except NotADirectoryError as error:
            raise ClusterError(f"the data folder {self.root} cannot be used: {error.filename} is a file") from error
        except FileExistsError as error:
            raise ClusterError(f"the data folder {self.root} cannot be used: {error.filename} is a file") from error
        except OSError as error:
            raise ClusterError(f"the data folder {self.root} cannot be written: {error.strerror}") from error

    def lock(self) -> None:
        """Become the one launcher of this folder.  Raises ClusterError when there is one already.

        The lock ends with the process, however it ends.
        """
        owner = None
        for _ in range(_LOOKS):
            handle = os.open(self._pid_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = self._read_pid(handle)
                os.close(handle)
                select.select([], [], [], _GLANCE)
                continue
            if _is_at(handle, self._pid_file):
                break
            os.close(handle)  # it was removed in this moment, by a launcher that has ended
        else:
            raise ClusterError(
                f"a cluster is already running on {self.root} (process {owner}); "
                f"`nanokube down --data-dir {self.root}` ends it"
            )
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._lock = handle

    def unlock(self) -> None:
        if self._lock is not None:
            with contextlib.suppress(FileNotFoundError):
                self._pid_file.unlink()
            os.close(self._lock)
            self._lock = None

    def owner(self) -> int | None:
        """The process id of the launcher that holds the folder, or None when nobody does."""
        try:
            handle = os.open(self._pid_file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ClusterError(f"{self._pid_file} cannot be read: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._read_pid(handle)
        finally:
            os.close(handle)
        return None

    @staticmethod
    def _read_pid(handle: int) -> int | None:
        text = os.pread(handle, 32, 0).strip()
        return int(text) if text.isdigit() else None

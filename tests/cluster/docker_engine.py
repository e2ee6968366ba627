"""A Docker engine of the test's own, and an image to build on that needs no registry.

The engine lives in its own network, mount and process namespaces: its bridges, rules and containers cannot
touch the machine's, and end with it, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TOOLS = ("dockerd", "docker", "unshare", "nsenter", "dpkg", "apt-cache")
PACKAGES = (
    *("python3", "python3-venv", "bash", "dash", "coreutils", "sed", "grep", "procps", "base-files", "mount"),
    *("iptables", "iproute2", "conntrack", "ca-certificates"),
)
BASE = "nanokube-base:test"


def why_not() -> str:
    """Why an engine cannot be had here; "" when it can."""
    if os.geteuid() != 0:
        return "a Docker engine needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not compose_command():
        missing.append("docker-compose")
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: docker.io, docker-compose)"
    absent = [name for name in PACKAGES if not Path(f"/var/lib/dpkg/info/{name}.list").exists()
              and not Path(f"/var/lib/dpkg/info/{name}:amd64.list").exists()]  # fmt: skip
    return f"Debian packages for the stand-in base image are missing: {', '.join(absent)}" if absent else ""


def compose_command() -> list[str]:
    """`docker compose` where it is a plugin, `docker-compose` where it is a program; [] where it is neither."""
    if shutil.which("docker") and not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


class Engine:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.pid = 0

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", **more}

    def docker(self, *arguments: str, timeout: float = 240) -> str:
        return self._run(["docker", *arguments], timeout, {})

    def compose(self, *arguments: str, timeout: float = 240, **environment: str) -> str:
        return self._run([*compose_command(), *arguments], timeout, environment)

    def shell(self, line: str, folder: Path, **environment: str) -> str:
        """A line for a shell on the engine's host, as the documentation has it; the project's own compose file."""
        line = line.replace("docker compose", " ".join(compose_command()))
        settings = self.environment(COMPOSE_FILE=str(ROOT / "docker-compose.yml"), **environment)
        entering = ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", "bash", "-o", "pipefail", "-c", line]
        done = subprocess.run(
            entering, capture_output=True, text=True, timeout=300, check=False, env=settings, cwd=folder
        )
        assert done.returncode == 0, f"{line}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def inside(self, command: Sequence[str], timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """A command on the engine's host: where the published ports are."""
        entering = ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command]
        return subprocess.run(entering, capture_output=True, text=True, timeout=timeout, check=False)

    def inspect(self, container: str, field: str) -> str:
        return self.docker("inspect", "--format", f"{{{{.{field}}}}}", container).strip()

    def kill_9(self, pid: int) -> None:
        """Kill a process by the number it has for the engine.  (Docker takes its own `kill` for the wish that the
        container stay down.)"""
        entering = ["nsenter", f"--pid=/proc/{self.pid}/ns/pid", f"--mount=/proc/{self.pid}/ns/mnt"]
        subprocess.run([*entering, "--", "kill", "-9", str(pid)], check=True, timeout=60)

    def _run(self, command: list[str], timeout: float, environment: dict[str, str]) -> str:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=self.environment(**environment),
            cwd=ROOT,
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout


@contextlib.contextmanager
def running_engine() -> Iterator[Engine]:
    """An engine that is there until the block ends; nothing of it stays."""
    folder = Path(tempfile.mkdtemp(prefix="nk-"))  # short: its sockets' paths may have 107 characters
    engine = Engine(folder)
    daemon = [
        *("dockerd", "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
        *("--host", f"unix://{engine.socket}", "--pidfile", str(folder / "dockerd.pid"), "--bridge", "none"),
    ]
    script = 'ip link set lo up; exec "$@"'
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "sh", "-c", script, "sh", *daemon],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while subprocess.run(["docker", "version"], env=engine.environment(), capture_output=True).returncode:
            assert process.poll() is None, (folder / "dockerd.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the engine did not start in time"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        engine.pid = int(children[0])
        yield engine
    finally:
        with contextlib.suppress(ProcessLookupError):
            if engine.pid:
                os.kill(engine.pid, signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def build_base(engine: Engine, python: str, folder: Path) -> None:
    """Import an image with Debian's Python, made of this machine's own files, and the wheels to install from."""
    wheels = folder / "wheels"
    fetch = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(wheels)]
    fetch += ["--python-version", debian_python(), "--only-binary=:all:"]
    names = [*requirements(ROOT / "pyproject.toml"), "hatchling"]
    subprocess.run([*fetch, *names], check=True, capture_output=True, timeout=600)
    archive = folder / "base.tar"
    with tarfile.open(archive, "w") as tar:
        for path in system_files():
            tar.add(path, recursive=False)
        for path in ("/root", "/run", "/tmp", "/var/tmp"):
            tar.add(path, recursive=False)
        tar.add(wheels, "opt/wheels")
    settings = "ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/opt/wheels PIP_DISABLE_PIP_VERSION_CHECK=1"
    engine.docker("import", "--change", settings, str(archive), BASE)
    archive.unlink()


def debian_python() -> str:
    text = subprocess.run(["/usr/bin/python3", "--version"], capture_output=True, text=True, check=True).stdout
    return ".".join(text.split()[1].split(".")[:2])


def requirements(pyproject: Path) -> list[str]:
    import tomllib

    dependencies: list[str] = tomllib.loads(pyproject.read_text())["project"]["dependencies"]
    return [line.partition(";")[0].strip() for line in dependencies]


def system_files() -> list[str]:
    """The files of PACKAGES and all they depend on, and what packages set up when they are installed."""
    kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    query = ["apt-cache", "depends", "--recurse", "--installed", *(f"--no-{kind}" for kind in kinds), *PACKAGES]
    listed = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    names = sorted({line for line in listed.splitlines() if line and line[0].isalnum()})
    known = subprocess.run(["dpkg", "-L", *names], capture_output=True, text=True, check=False).stdout
    found = {path for line in known.splitlines() if (path := _merged(line)) and not path.startswith("/usr/share/doc")}
    found |= {"/bin", "/sbin", "/lib", "/lib64", "/etc/passwd", "/etc/group", "/etc/ld.so.cache"}
    found |= {"/etc/ssl/certs/ca-certificates.crt"}
    for folder, pattern in (("/etc/alternatives", "*"), ("/usr/sbin", "ip*tables*"), ("/usr/bin", "awk")):
        found |= {str(path) for path in Path(folder).glob(pattern)}
    skipped = ("/usr/share/man/", "/usr/share/locale/", "/usr/share/info/", "/usr/share/lintian/")
    return sorted(p for p in found if (os.path.islink(p) or os.path.isfile(p)) and not p.startswith(skipped))


def _merged(path: str) -> str:
    """Where a file is since /bin, /sbin and /lib became links into /usr."""
    top = path.split("/", 2)[1] if path.startswith("/") else ""
    if top in ("bin", "sbin", "lib", "lib64") and os.path.islink(f"/{top}"):
        return f"/usr{path}" if path != f"/{top}" else ""
    return path if path.startswith("/") else ""

"""What a container sees as `/`: the host's file system, copy-on-write, with the pod's volumes mounted into it.

Nothing of the host changes.  Every file system of the host is shown through an overlay whose upper layer belongs
to the container: a missing mount point is made there, a file the container writes lands there, and all of it is
gone with the container, as with an image's writable layer.  /sys is the host's own; /proc and /dev are the
container's.  All mounts live in a private mount namespace and vanish with its last process.

In a user namespace the kernel refuses an overlay of a directory that has mounts below it which the user could not
unmount (that would uncover what they hide).  Such a directory is split: made anew on a tmpfs, its entries shown one
by one.

Part of the shim (see zygote.py): runs between fork and exec, as the process that becomes the container.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from kubelet.runtime.process import linux

_AS_THEY_ARE = ("/proc", "/sys", "/dev")
# In a user namespace nothing can be written into a directory of another user's below an overlay (it would have to be
# copied with its owner, whom the namespace does not know), unless the upper layer has it from the start.
_COMMON = ("/var/tmp",)
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
_OWN_DEVICES = {"pts", "shm", *_DEVICE_LINKS}
_NOT_SHOWN = {"nsfs", "autofs", "binfmt_misc", "rpc_pipefs"}


class ViewError(Exception):
    """The message says which mount could not be made, and why."""


def enter(spec: dict[str, object], work_dir: str, *, own_proc: bool, user_namespace: bool) -> None:
    """Make the view that `spec` describes and move the calling process into it.

    `spec` has `mounts` ([host path, container path, read only, optional]), `hidden` (paths shown as empty),
    `read_only_root`, `all_devices`, `cwd`.  `work_dir` is a directory of the container's own.  The
    caller is in a mount namespace of its own.
    """
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    mounts = _open_sources(spec["mounts"])  # type: ignore[arg-type]
    root = os.path.join(work_dir, "rootfs")
    hidden: list[str] = spec["hidden"]  # type: ignore[assignment]
    _HostView(root, os.path.join(work_dir, "layers"), hidden, user_namespace, _missing(spec)).build()
    _mount_system(root, own_proc=own_proc, all_devices=bool(spec["all_devices"]))
    os.chdir(root)
    linux.pivot_root(".", ".")
    # The old root is now stacked over the new one at ".", and "/" already is the new one.
    for path in hidden:
        if os.path.isdir(path):
            linux.mount("tmpfs", path, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=64k")
    for fd, source, target, read_only in sorted(mounts, key=lambda m: m[2].count("/")):
        _mount_volume(fd, source, target, read_only)
        os.close(fd)
    linux.umount(".", linux.MNT_DETACH)
    os.chdir("/")
    if spec["read_only_root"]:
        _make_read_only("/")


def _missing(spec: dict[str, object]) -> list[str]:
    """Directories the container needs and the host does not have, by their real paths."""
    wanted = [os.path.realpath(str(spec["cwd"] or "/"))]
    for source, target, _, _ in spec["mounts"]:  # type: ignore[attr-defined]
        path = os.path.realpath(target)
        if not os.path.lexists(path):
            wanted.append(path if os.path.isdir(source) else os.path.dirname(path))
    return [path for path in wanted if not os.path.lexists(path)]


def _open_sources(mounts: list[tuple[str, str, bool, bool]]) -> list[tuple[int, str, str, bool]]:
    opened = []
    for source, target, read_only, _optional in mounts:
        try:
            opened.append((os.open(source, os.O_PATH | os.O_CLOEXEC), source, os.path.normpath(target), read_only))
        except OSError as error:
            raise ViewError(f"cannot mount {source} at {target}: {error.strerror}") from error
    return opened


def _mount_volume(fd: int, source: str, target: str, read_only: bool) -> None:
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.makedirs(target, exist_ok=True)
        elif not os.path.lexists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        linux.mount(f"/proc/self/fd/{fd}", target, flags=linux.MS_BIND | linux.MS_REC)
        if read_only:
            _make_read_only(target)
    except OSError as error:
        raise ViewError(f"cannot mount {source} at {target}: {error.strerror}") from error


def _make_read_only(path: str) -> None:
    flags = os.statvfs(path).f_flag  # in a user namespace nosuid, nodev and noexec may not be taken away
    keep = 0
    for have, want in (
        (os.ST_NOSUID, linux.MS_NOSUID),
        (os.ST_NODEV, linux.MS_NODEV),
        (os.ST_NOEXEC, linux.MS_NOEXEC),
        (os.ST_NOATIME, 1024),
        (os.ST_RELATIME, 1 << 21),
    ):
        if flags & have:
            keep |= want
    linux.mount("", path, flags=linux.MS_BIND | linux.MS_REMOUNT | linux.MS_RDONLY | keep)


def _mount_system(root: str, *, own_proc: bool, all_devices: bool) -> None:
    linux.mount("/sys", root + "/sys", flags=linux.MS_BIND | linux.MS_REC)
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    if own_proc:
        linux.mount("proc", root + "/proc", "proc", flags)
    else:
        linux.mount("/proc", root + "/proc", flags=linux.MS_BIND | linux.MS_REC)
    _make_devices(root + "/dev", all_devices=all_devices)


def _make_devices(place: str, *, all_devices: bool) -> None:
    """A /dev of the container's own, as every runtime gives: something may be mounted or written there."""
    linux.mount("tmpfs", place, "tmpfs", linux.MS_NOSUID | linux.MS_NOEXEC, "mode=755,size=64k")
    for name in os.listdir("/dev") if all_devices else _DEVICES:
        source, target = f"/dev/{name}", f"{place}/{name}"
        if name in _OWN_DEVICES or os.path.islink(source) or not os.path.exists(source):
            continue
        if os.path.isdir(source):
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        with contextlib.suppress(OSError):
            linux.mount(source, target, flags=linux.MS_BIND | linux.MS_REC)
    for name, target in _DEVICE_LINKS.items():
        os.symlink(target, f"{place}/{name}")
    # The host's terminals: those of containers are made there.
    os.mkdir(place + "/pts")
    linux.mount("/dev/pts", place + "/pts", flags=linux.MS_BIND | linux.MS_REC)
    os.mkdir(place + "/shm")
    linux.mount(
        "tmpfs", place + "/shm", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC, "mode=1777,size=64m"
    )


def _mount_points() -> list[tuple[str, str]]:
    """(path, file system type) of everything mounted, in the order it was mounted."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            fields = line.split(" ")
            path = fields[4]
            if "\\" in path:  # the kernel writes blanks and backslashes in octal
                path = path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
            found.append((path, fields[fields.index("-") + 1]))
    return found


def _below(path: str, directory: str) -> bool:
    return path != directory and (directory == "/" or path.startswith(directory + "/"))


class _HostView:
    def __init__(self, root: str, layers: str, hidden: list[str], user_namespace: bool, wanted: list[str]) -> None:
        self.root = root
        self.layers = layers
        self.user_namespace = user_namespace
        self.wanted = wanted
        self.count = 0
        # Where upper layers can lie and the options they need: known after the first that worked.
        self.kind: tuple[str, str] | None = None
        skip = [*_AS_THEY_ARE, *hidden, root]
        self.mounted: list[str] = []
        for path, kind in _mount_points():
            if path == "/" or kind in _NOT_SHOWN or any(path == s or _below(path, s) for s in skip):
                continue
            if path not in self.mounted:
                self.mounted.append(path)

    def build(self) -> None:
        os.makedirs(self.root, exist_ok=True)
        os.makedirs(self.layers, exist_ok=True)
        self.show("/")

    def show(self, path: str) -> None:
        """Make `path` of the host, with all that is mounted below it, appear in the view."""
        below = [m for m in self.mounted if _below(m, path)]
        covers = path == "/" or bool(below)  # at "/" there is at least /proc
        if not (self.user_namespace and covers) and self.overlay(path):
            for inner in below:
                if not any(_below(inner, other) for other in below):
                    self.show_mount(inner)
        elif covers:
            self.split(path)
        else:
            linux.mount(path, self.place(path), flags=linux.MS_BIND)

    def show_mount(self, path: str) -> None:
        """As `show`, but a file system that cannot be shown is left out: the host may have mounts that the
        kubelet itself cannot read, or that another mount hides."""
        try:
            if os.path.isdir(path):
                self.show(path)
            else:
                linux.mount(path, self.place(path), flags=linux.MS_BIND)
                _make_read_only(self.place(path))
        except OSError:
            return

    def place(self, path: str) -> str:
        return self.root if path == "/" else self.root + path

    def overlay(self, path: str) -> bool:
        """False when this directory cannot be shown through an overlay."""
        if self.kind is not None:
            return self.try_overlay(path, *self.kind)
        # volatile: taking the overlay down must not sync the host's disk.  userxattr: user namespaces need it.
        for base in self.bases():
            for options in (",volatile,userxattr" if self.user_namespace else ",volatile", ",userxattr", ""):
                if self.try_overlay(path, base, options):
                    self.kind = base, options
                    return True
        self.kind = "", ""
        return False

    def bases(self) -> Iterator[str]:
        """Where upper layers can lie, best first: in memory, since a disk's journal makes each of them wait for
        everyone's writes (50 ms and more per container), else on the disk."""
        memory, disk = os.path.join(self.layers, "memory"), os.path.join(self.layers, "disk")
        os.makedirs(memory, exist_ok=True)
        linux.mount("tmpfs", memory, "tmpfs", linux.MS_NOSUID, "mode=755,size=25%")
        try:
            # What overlays of user namespaces keep their marks in; tmpfs has it since Linux 6.6.
            os.setxattr(memory, "user.overlay.probe", b"1")
            yield memory
        except OSError:
            if not self.user_namespace:
                yield memory
        os.makedirs(disk, exist_ok=True)
        yield disk

    def try_overlay(self, path: str, base: str, options: str) -> bool:
        if not base:
            return False
        self.count += 1  # a failed attempt leaves marks in its directories
        layer = os.path.join(base, str(self.count))
        upper, scratch = os.path.join(layer, "upper"), os.path.join(layer, "work")
        for directory in (layer, upper, scratch):
            os.mkdir(directory)
        status = os.stat(path)
        os.chmod(upper, stat.S_IMODE(status.st_mode))
        if os.geteuid() == 0:
            with contextlib.suppress(OSError):  # a user namespace knows one user only
                os.chown(upper, status.st_uid, status.st_gid)
        for wanted in (*self.wanted, *(_COMMON if self.user_namespace else ())):
            if _below(wanted, path) and not any(_below(wanted, m) and _below(m, path) for m in self.mounted):
                _make_directories(upper, path, wanted)
        paths = f"lowerdir={_escaped(path)},upperdir={_escaped(upper)},workdir={_escaped(scratch)}"
        try:
            linux.mount("overlay", self.place(path), "overlay", 0, paths + options)
        except OSError:
            return False
        return True

    def split(self, path: str) -> None:
        place = self.place(path)
        if path == "/":
            linux.mount("tmpfs", place, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755")
        for entry in os.scandir(path):
            target = self.place(entry.path)
            try:
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), target)
                elif entry.is_dir():
                    os.mkdir(target, stat.S_IMODE(entry.stat().st_mode))
                    if entry.path in _AS_THEY_ARE:
                        continue
                    if entry.path in self.mounted or not any(_below(m, entry.path) for m in self.mounted):
                        self.show(entry.path)
                    else:
                        self.split(entry.path)
                elif entry.is_file():
                    os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))
                    linux.mount(entry.path, target, flags=linux.MS_BIND)
            except OSError:
                continue  # what this user may not even look at


def _make_directories(upper: str, lower: str, wanted: str) -> None:
    """Make `wanted`, a path below `lower`, in an upper layer of `lower`, which its owner may where the host's
    directories are root's.  They are merged with those and look like them."""
    made, seen = upper, "" if lower == "/" else lower
    for name in wanted[len(seen) + 1 :].split("/"):
        made, seen = f"{made}/{name}", f"{seen}/{name}"
        if not os.path.isdir(made):
            os.mkdir(made)
            os.chmod(made, stat.S_IMODE(os.stat(seen).st_mode) | 0o700 if os.path.isdir(seen) else 0o755)


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")

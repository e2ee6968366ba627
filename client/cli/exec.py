"""`nanokube exec`: a command in a container, over a WebSocket.

The protocol is `v5.channel.k8s.io` (KEP-4006): the first byte of a message says which stream it belongs to.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import orjson

from api.errors import from_answer
from client.cli.session import Document, Refusal, Session, container_of, parser_for, pod_of, run_session

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")


def run(arguments: list[str]) -> int:
    command: list[str] = []
    if "--" in arguments:
        border = arguments.index("--")
        arguments, command = arguments[:border], arguments[border + 1 :]
    parser = parser_for("exec", "Run a command in a container: nanokube exec POD -- COMMAND ARGUMENTS…")
    parser.add_argument("pod", metavar="POD", help="a pod, or deployment/NAME for one of its pods")
    parser.add_argument("-c", "--container", metavar="NAME", help="which container")
    parser.add_argument("-i", "--stdin", action="store_true", help="pass the standard input on")
    parser.add_argument("-t", "--tty", action="store_true", help="with a terminal")
    flags = parser.parse_args([_spread(argument) for argument in arguments])
    if not command:
        parser.error("a command is missing after --")
    return run_session(flags, lambda session: _exec(session, flags, command))


def _spread(argument: str) -> str:
    return "-it" if argument == "-ti" else argument


async def _exec(session: Session, flags: argparse.Namespace, command: list[str]) -> int:
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus
    from websockets.typing import Subprotocol

    pod = await pod_of(session, flags.pod)
    container = container_of(pod, flags.container)
    terminal = flags.tty and sys.stdin.isatty()
    if flags.tty and not terminal:
        print("The standard input is no terminal: going on without one.", file=sys.stderr)
    config = session.config
    headers = {"Authorization": f"Bearer {config.token}"} if config.token else {}
    try:
        async with connect(
            exec_url(config.server, pod, container, command, stdin=flags.stdin, terminal=terminal),
            ssl=session.client.transport.tls,
            subprotocols=[Subprotocol(name) for name in PROTOCOLS],
            additional_headers=headers,
            server_hostname=config.tls_server_name or None,
            max_size=None,
            compression=None,
            proxy=None,
        ) as socket:
            with _raw_terminal() if terminal else contextlib.nullcontext():
                return await _talk(socket, stdin=flags.stdin, terminal=terminal)
    except InvalidStatus as error:
        raise from_answer(error.response.status_code, bytes(error.response.body or b"")) from error
    except (InvalidHandshake, OSError) as error:
        raise Refusal(f"no connection to the container: {error}") from error


def exec_url(server: str, pod: Document, container: str, command: list[str], *, stdin: bool, terminal: bool) -> str:
    """The WebSocket URL; a terminal has one output, so it never asks for stderr."""
    streams = {"stdout": True, "stderr": not terminal, "stdin": stdin, "tty": terminal}
    query = [("command", word) for word in command] + [("container", container)]
    query += [(name, "true") for name, on in streams.items() if on]
    meta = pod["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/exec"
    return f"{server.replace('http', 'ws', 1)}{path}?{urlencode(query)}"


async def _talk(socket: ClientConnection, *, stdin: bool, terminal: bool) -> int:
    """Pass bytes both ways until the command has ended; returns its exit code."""
    async with contextlib.AsyncExitStack() as cleaning:
        if stdin:
            sender = asyncio.create_task(_send_input(socket))
            cleaning.callback(sender.cancel)
        if terminal:
            cleaning.callback(_follow_size(socket))
        code = 0
        async for message in socket:
            data = message.encode() if isinstance(message, str) else message
            channel, content = data[0], data[1:]
            if channel in (STDOUT, STDERR):
                output = (sys.stdout if channel == STDOUT else sys.stderr).buffer
                output.write(content)
                output.flush()
            elif channel == ERROR and content:
                code = exit_code(orjson.loads(content))
        return code


def exit_code(status: Document) -> int:
    """The command's exit code out of the Status at the end.  Raises Refusal when it never ran."""
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise Refusal(status.get("message") or "the command could not be run")


async def _send_input(socket: ClientConnection) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    source = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    try:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
    except (ValueError, PermissionError):  # a plain file: always readable, so it needs no pipe
        while chunk := source.read(32768):
            await socket.send(bytes([STDIN]) + chunk)
    else:
        while chunk := await reader.read(32768):
            await socket.send(bytes([STDIN]) + chunk)
    if socket.subprotocol == PROTOCOLS[0]:  # before v5 there is no way to say that the input has ended
        await socket.send(bytes([CLOSE, STDIN]))


def _follow_size(socket: ClientConnection) -> Callable[[], object]:
    """Tell the terminal's size now and whenever it changes; returns what ends that."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def tell() -> None:
        rows, columns, _, _ = struct.unpack("4H", fcntl.ioctl(sys.stdin.fileno(), termios.TIOCGWINSZ, bytes(8)))
        size = orjson.dumps({"Width": columns, "Height": rows})
        task = asyncio.ensure_future(socket.send(bytes([RESIZE]) + size))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    tell()
    loop.add_signal_handler(signal.SIGWINCH, tell)
    return lambda: loop.remove_signal_handler(signal.SIGWINCH)


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    """Every key goes to the container; the user's terminal is put back at the end."""
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    tty.setraw(handle)
    try:
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)

"""The `nanokube` command: one module per subcommand, loaded only when it is the one asked for."""

from __future__ import annotations

import importlib
import os
import signal
import sys

_COMMANDS = {
    "up": "start a cluster on this machine",
    "down": "end a cluster; its data stays",
    "status": "show what runs of a cluster",
    "reset": "end a cluster and erase its data",
    "get": "list objects, or show one",
    "describe": "show an object with what belongs to it and its events",
    "apply": "create or change objects as files say (server-side apply)",
    "delete": "delete objects",
    "logs": "show what a container printed",
    "exec": "run a command in a container",
    "scale": "set the number of replicas",
    "rollout": "follow or undo a change of a deployment",
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 done, 1 failed, 2 misused)."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # as in `nanokube get pods | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the flush at the end must not fail again
        return 128 + signal.SIGPIPE
    except SystemExit as exit_:  # argparse has said what it had to say
        return exit_.code if isinstance(exit_.code, int) else 1


def _run(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        if len(arguments) > 1 and arguments[1] in _COMMANDS:
            return _run([arguments[1], "--help"])
        print(_usage())
        return 0
    if name in ("--version", "version"):
        from importlib.metadata import version

        print(f"nanokube {version('nanokube')}")
        return 0
    if name not in _COMMANDS:
        print(f"nanokube: there is no command {name!r}; see nanokube --help", file=sys.stderr)
        return 2
    return int(importlib.import_module(f"client.cli.{name}").run(arguments[1:]))


def _usage() -> str:
    lines = ["usage: nanokube COMMAND [flags]", "", "A miniature but real Kubernetes control plane.", "", "commands:"]
    lines += [f"  {name:<10} {words}" for name, words in _COMMANDS.items()]
    return "\n".join([*lines, "", "nanokube COMMAND --help tells the flags of a command."])

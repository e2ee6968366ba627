"""Stands in for a pod: runs in a network namespace of its own, serves, and connects where it is told to.

Started as `unshare --net python -m tests.proxy.pod NAME`; takes one JSON command a line, answers one a line.
"""

from __future__ import annotations

import json
import socket
import socketserver
import subprocess
import sys
import threading

PORT = 8080


class Tcp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(f"{NAME} {self.client_address[0]}\n".encode())


class Udp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request[1].sendto(f"{NAME} {self.client_address[0]}".encode(), self.client_address)


class TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def ask(ip: str, port: int, protocol: str = "TCP", source_port: int = 0) -> str:
    """ "NAME SOURCE" of whoever answers, or what went wrong."""
    try:
        if protocol == "TCP":
            with socket.create_connection((ip, port), timeout=60) as connection:
                return connection.makefile().readline().strip()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(60)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            udp.bind(("", source_port))
            udp.sendto(b"?", (ip, port))
            return udp.recv(100).decode()
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return str(error)


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        answer = "ok"
        if "setup" in command:
            address, gateway = command["setup"]
            for words in (
                "link set lo up",
                "link set eth0 up",
                f"addr add {address}/32 dev eth0",
                f"route add {gateway} dev eth0",
                f"route add default via {gateway}",
            ):
                subprocess.run(["ip", *words.split()], check=True)
            for server in (TcpServer((address, PORT), Tcp), socketserver.ThreadingUDPServer((address, PORT), Udp)):
                threading.Thread(target=server.serve_forever, daemon=True).start()
        elif "ask" in command:
            answer = ask(*command["ask"])
        print(json.dumps(answer), flush=True)


NAME = sys.argv[1] if len(sys.argv) > 1 else ""
if __name__ == "__main__":
    main()

"""Shaking delays what is read, and loses nothing."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, time

async def answer(reader, writer):
    while line := await reader.readline():
        writer.write(line)
    writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    began, heard = time.monotonic(), []
    for number in range(10):
        writer.write(b"%d\\n" % number)
        heard.append(int(await reader.readline()))
    writer.close()
    print(heard == list(range(10)), time.monotonic() - began > 0.1)

asyncio.run(main())
"""


def test_everything_arrives_if_late() -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "SHAKE": "1", "SHAKE_SEED": "one"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=300)
    assert done.stdout == "True True\n", done.stderr

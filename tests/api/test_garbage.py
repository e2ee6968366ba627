"""How often the garbage collector looks."""

import subprocess
import sys

_MAKE = """
import gc
from api.garbage import collect_seldom
{begin}
before = gc.get_stats()[0]["collections"]
kept = [[] for _ in range(15_000)]
print(gc.get_stats()[0]["collections"] - before)
"""


def collections(begin: str) -> int:
    answer = subprocess.run([sys.executable, "-c", _MAKE.format(begin=begin)], capture_output=True, check=True)
    return int(answer.stdout)


def test_thousands_of_objects_are_made_between_two_looks() -> None:
    assert collections("") > 10
    assert collections("collect_seldom()") <= 1

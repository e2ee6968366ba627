"""How often the garbage collector looks for cycles."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """Let what is there now be, and look through the rest seldom.

    API objects hold no cycles, and there are very many of them: looking through them over and over costs a server a
    quarter of every write, and a controller or kubelet a sixth of its processor time.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)

"""Kinds that nobody asks for cost nothing."""

from __future__ import annotations

import json
import subprocess
import sys

_ASKED = """
import json, sys
import apiserver.server
from apiserver.discovery import Discovery
from api.scheme import RESOURCES
Discovery(RESOURCES, "").group_list()
print(json.dumps([name for name in sys.modules if name.startswith(("api.", "apiserver.registry.", "sqlalchemy"))]))
"""


def test_a_server_that_starts_loads_only_what_every_cluster_uses() -> None:
    done = subprocess.run([sys.executable, "-c", _ASKED], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "api.core_v1" in loaded
    seldom = {"api.batch_v1", "api.autoscaling_v2", "api.resource_v1", "api.storage_v1", "api.networking_v1"}
    assert not loaded & seldom
    assert not {name for name in loaded if name.startswith("sqlalchemy")}
    assert "apiserver.registry.jobs" not in loaded

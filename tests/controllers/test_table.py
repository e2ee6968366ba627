"""The table of controllers: every one can be made, and goes by the name it is listed under."""

import subprocess
import sys

import pytest

from controller_manager.__main__ import parser
from controller_manager.queue_names import QUEUES
from controller_manager.table import CONTROLLERS, chosen
from tests.controllers.cluster import Cluster


async def test_every_controller_is_made_under_its_name(cluster: Cluster) -> None:
    options = parser().parse_args([])
    common = cluster.client, cluster.clock, cluster.informers, cluster.events
    made = {name: entry.make(options, *common) for name, entry in CONTROLLERS.items()}
    wrong = {name: made.name for name, made in made.items() if made is not None and made.name != name}
    assert wrong == {}
    assert made["job-controller"] is not None


def test_every_queue_has_a_name_of_its_own() -> None:
    assert QUEUES.keys() <= CONTROLLERS.keys()
    assert len({*QUEUES.values()}) == len(QUEUES)
    assert not {*QUEUES.values()} & CONTROLLERS.keys()


def test_controllers_are_chosen_by_their_names_and_aliases() -> None:
    assert chosen("job,cronjob-controller") == ["job-controller", "cronjob-controller"]
    assert {*chosen("*")} - {*chosen("-job,*")} == {"job-controller"} == {*chosen("*")} - {*chosen("*,-job")}
    assert chosen("") == chosen("-job") == []


def test_the_first_word_about_a_controller_counts() -> None:
    assert chosen("job,-job-controller") == ["job-controller"]
    assert chosen("-job,job-controller,ttl") == ["ttl-controller"]


def test_unknown_controllers_are_told_of() -> None:
    with pytest.raises(ValueError, match=r'^"jobs" is not in the list of known controllers$'):
        chosen("*,-jobs")
    with pytest.raises(ValueError, match=r'^\["a" is not .*, "b" is not in the list of known controllers\]$'):
        chosen("a,b")
    refused = subprocess.run(
        [sys.executable, "-m", "controller_manager", "--controllers=jobs"], capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0
    assert '"jobs" is not in the list of known controllers' in refused.stderr


def test_what_only_joining_machines_need_is_off_unless_asked_for() -> None:
    assert not {"bootstrap-signer-controller", "token-cleaner-controller"} & {*chosen("*")}
    assert {"bootstrap-signer-controller", "token-cleaner-controller"} <= {*chosen("*,bootstrapsigner,tokencleaner")}

"""The table of controllers: every one can be made, and goes by the name it is listed under."""

from controller_manager.__main__ import parser
from controller_manager.table import CONTROLLERS, chosen
from tests.controllers.cluster import Cluster


async def test_every_controller_is_made_under_its_name(cluster: Cluster) -> None:
    options = parser().parse_args([])
    common = cluster.client, cluster.clock, cluster.informers, cluster.events
    made = {name: entry.make(options, *common) for name, entry in CONTROLLERS.items()}
    wrong = {name: made.name for name, made in made.items() if made is not None and made.name != name}
    assert wrong == {}
    assert made["job-controller"] is not None


def test_controllers_are_chosen_by_their_names_and_aliases() -> None:
    assert chosen("job,cronjob-controller") == ["job-controller", "cronjob-controller"]
    assert "job-controller" not in chosen("*,-job")


def test_what_only_joining_machines_need_is_off_unless_asked_for() -> None:
    assert not {"bootstrap-signer-controller", "token-cleaner-controller"} & {*chosen("*")}
    assert {"bootstrap-signer-controller", "token-cleaner-controller"} <= {*chosen("*,bootstrapsigner,tokencleaner")}

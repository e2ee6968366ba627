"""Profiles: which plugins, at which extension points, with which weights and arguments, for which schedulerName.

Kubernetes' rules: `multiPoint` enables a plugin wherever it can take part; what a single extension point enables or
disables goes before it there (https://kubernetes.io/docs/reference/scheduling/config/#multipoint).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

from scheduler.framework import Plugin
from scheduler.handle import Handle
from scheduler.plugins import BUILT_IN, WEIGHTS, Factory
from scheduler.runtime import POINTS, Framework, Weighted

if TYPE_CHECKING:  # imported with the file that it describes
    from scheduler.configuration import Configuration, PluginSet, Profile

ENTRY_POINTS = "nanokube.scheduler.plugins"
"""Where installed distributions offer plugins; the entry's name is the plugin's, its object the factory."""


def build(configuration: Configuration, handle: Handle, own: Mapping[str, Factory]) -> dict[str, Framework]:
    """The profiles by schedulerName; `own` are further plugins by name.  Raises ConfigurationError."""
    from scheduler.plugin_args import ConfigurationError

    frameworks = {}
    for profile in configuration.profiles:
        made = _Plugins(profile, configuration, handle, own)
        points = {point: _expanded(point, profile.plugins.at(point), made) for point in POINTS}
        if len(points["queueSort"]) != 1:
            raise ConfigurationError(
                f"one queue sort plugin required for profile with scheduler name {profile.schedulerName!r}, "
                f"but got {len(points['queueSort'])}"
            )
        if not points["bind"]:
            raise ConfigurationError(
                f"at least one bind plugin is needed for profile with scheduler name {profile.schedulerName!r}"
            )
        percentage = profile.percentageOfNodesToScore
        frameworks[profile.schedulerName] = Framework((), profile.schedulerName, points, percentage)
    return frameworks


class _Plugins:
    """The plugins of one profile, each made once, when it is first needed."""

    def __init__(
        self, profile: Profile, configuration: Configuration, handle: Handle, own: Mapping[str, Factory]
    ) -> None:
        self._profile, self._handle, self._own = profile, handle, own
        self._args = {entry.name: entry.args for entry in profile.pluginConfig}
        self._ignored = [
            resource.name
            for extender in configuration.extenders
            for resource in extender.managedResources
            if resource.ignoredByScheduler
        ]
        self._made: dict[str, Plugin] = {}
        defaults = {name: WEIGHTS.get(name, 1) for name in BUILT_IN}
        self.everywhere = _merged(defaults, profile.plugins.multiPoint)
        """Weights of the plugins that `multiPoint` enables, in order."""

    def __getitem__(self, name: str) -> Plugin:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Plugin:
        from scheduler.plugin_args import ConfigurationError, keywords

        args = self._args.get(name, {})
        if name in BUILT_IN:
            return BUILT_IN[name](self._handle, **keywords(name, args, self._ignored))
        factory = self._own.get(name) or installed(name)
        if factory is None:
            raise ConfigurationError(f"plugin {name!r} does not exist")
        return factory(args, self._handle)


def installed(name: str) -> Factory | None:
    """A plugin that an installed distribution offers."""
    return next((cast(Factory, entry.load()) for entry in entry_points(group=ENTRY_POINTS, name=name)), None)


def _merged(defaults: Mapping[str, int], wanted: PluginSet) -> dict[str, int]:
    """Defaults that are not disabled, with their new weights if enabled again, then what else is enabled."""
    disabled = {reference.name for reference in wanted.disabled}
    enabled = {reference.name: reference.weight or 1 for reference in wanted.enabled}
    kept = {} if "*" in disabled else {name: weight for name, weight in defaults.items() if name not in disabled}
    return {name: enabled.get(name, weight) for name, weight in kept.items()} | {
        name: weight for name, weight in enabled.items() if name not in kept
    }


def _expanded(point: str, wanted: PluginSet, plugins: _Plugins) -> list[Weighted]:
    """The plugins of an extension point: those it names again, those of multiPoint, then those it adds."""
    return [Weighted(plugins[name], weight) for name, weight in _names(point, wanted, plugins)]


def _names(point: str, wanted: PluginSet, plugins: _Plugins) -> Iterator[tuple[str, int]]:
    from scheduler.plugin_args import ConfigurationError

    disabled = {reference.name for reference in wanted.disabled}
    specific = {reference.name: reference.weight or 1 for reference in wanted.enabled}
    for name in specific:
        if not _takes_part(plugins[name], point):
            raise ConfigurationError(f"plugin {name!r} does not extend {point} plugin")
    general = {
        name: weight
        for name, weight in plugins.everywhere.items()
        if "*" not in disabled and (name not in disabled or name in specific) and _takes_part(plugins[name], point)
    }
    yield from ((name, weight) for name, weight in specific.items() if name in general)
    yield from ((name, weight) for name, weight in general.items() if name not in specific)
    yield from ((name, weight) for name, weight in specific.items() if name not in general)


def _takes_part(plugin: Any, point: str) -> bool:
    kinds: Sequence[type] = POINTS[point]
    return isinstance(plugin, tuple(kinds))

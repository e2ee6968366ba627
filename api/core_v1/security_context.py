"""What containers may do: users, capabilities, profiles."""

from typing import Annotated

from api.model import Enum, Int64, Model, union


@union("localhostProfile", discriminator="type")
class AppArmorProfile(Model):
    """The AppArmor profile of a container.

    localhostProfile: The profile's name on the node, for type Localhost.
    type: Localhost, RuntimeDefault or Unconfined.
    """

    localhostProfile: str | None = None
    type: Annotated[str, Enum("Localhost", "RuntimeDefault", "Unconfined")]


class Capabilities(Model):
    """Linux capabilities to give and to take.

    add: Capabilities to give.
    drop: Capabilities to take; ALL takes all.
    """

    add: list[str] = []
    drop: list[str] = []


class SELinuxOptions(Model):
    """The SELinux label of a container.

    level: The level.
    role: The role.
    type: The type.
    user: The user.
    """

    level: str = ""
    role: str = ""
    type: str = ""
    user: str = ""


@union("localhostProfile", discriminator="type")
class SeccompProfile(Model):
    """The seccomp profile of a container.

    localhostProfile: The profile's path on the node, for type Localhost.
    type: Localhost, RuntimeDefault or Unconfined.
    """

    localhostProfile: str | None = None
    type: Annotated[str, Enum("Localhost", "RuntimeDefault", "Unconfined")]


class WindowsSecurityContextOptions(Model):
    """Security settings for Windows containers.

    gmsaCredentialSpec: The group managed service account's credentials.
    gmsaCredentialSpecName: The name of those credentials.
    hostProcess: Whether the container runs as a process of the host.
    runAsUserName: The user the program runs as.
    """

    gmsaCredentialSpec: str | None = None
    gmsaCredentialSpecName: str | None = None
    hostProcess: bool | None = None
    runAsUserName: str | None = None


class SecurityContext(Model):
    """Security settings of a container; they come before the pod's.

    allowPrivilegeEscalation: Whether a process may gain more rights than its parent.
    appArmorProfile: The AppArmor profile.
    capabilities: Linux capabilities to give and to take.
    privileged: Whether the container may do what root on the node may.
    procMount: How /proc is mounted.
    readOnlyRootFilesystem: Whether the root file system cannot be written.
    runAsGroup: The group the program runs as.
    runAsNonRoot: Whether to refuse to run as root.
    runAsUser: The user the program runs as; the image's when unset.
    seLinuxOptions: The SELinux label.
    seccompProfile: The seccomp profile.
    windowsOptions: Settings for Windows containers.
    """

    allowPrivilegeEscalation: bool | None = None
    appArmorProfile: AppArmorProfile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    procMount: Annotated[str | None, Enum("Default", "Unmasked")] = None
    readOnlyRootFilesystem: bool | None = None
    runAsGroup: Int64 | None = None
    runAsNonRoot: bool | None = None
    runAsUser: Int64 | None = None
    seLinuxOptions: SELinuxOptions | None = None
    seccompProfile: SeccompProfile | None = None
    windowsOptions: WindowsSecurityContextOptions | None = None

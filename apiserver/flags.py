"""The command line of `python -m apiserver`: Kubernetes' flag names, and `--data-dir`."""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from api.duration import parse_duration
from apiserver.admission.table import NAMES
from apiserver.audit import flags as audit_flags
from apiserver.audit.flags import AuditOptions
from apiserver.authentication.flags import AuthenticationOptions, add_flags, taken_from

ADDRESS_TYPES = ("InternalIP", "Hostname", "InternalDNS", "ExternalDNS", "ExternalIP")
"""Of a node's addresses, those to try first: its host name need not be known where the server runs."""
AUTHORIZATION_MODES = ("AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook")


@dataclass(frozen=True)
class Options:
    """What the server was told.  Addresses are numeric; the port is the HTTPS port."""

    data_dir: Path
    bind_address: str = "127.0.0.1"
    secure_port: int = 6443
    advertise_address: str = ""
    client_ca_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_private_key_file: Path | None = None
    service_cluster_ip_range: str = "10.96.0.0/16"
    service_node_port_range: range = range(30000, 32768)
    authorization_mode: tuple[str, ...] = ("Node", "RBAC")
    enable_admission_plugins: tuple[str, ...] = ()
    disable_admission_plugins: tuple[str, ...] = ()
    admission_control_config_file: Path | None = None
    default_not_ready_toleration_seconds: int = 300
    default_unreachable_toleration_seconds: int = 300
    issue_kubeconfig_for: tuple[str, ...] = ()
    external_hostname: str = ""
    check_policy_types: bool = False
    enable_priority_and_fairness: bool = True
    max_requests_inflight: int = 400
    max_mutating_requests_inflight: int = 200
    event_ttl: float = 3600.0
    encryption_provider_config: Path | None = None
    encryption_provider_config_automatic_reload: bool = False
    watch_cache: int = 10_000
    max_request_bytes: int = 3 * 1024 * 1024
    ready_fd: int | None = None
    verbosity: int = 0
    tls_san: tuple[str, ...] = field(default=())
    audit: AuditOptions | None = None
    authentication: AuthenticationOptions = field(default_factory=AuthenticationOptions)
    kubelet_certificate_authority: str | None = None
    """"" is to believe any kubelet; None the cluster's own CA."""
    kubelet_client_certificate: Path | None = None
    kubelet_client_key: Path | None = None
    kubelet_preferred_address_types: tuple[str, ...] = ADDRESS_TYPES
    proxy_client_cert_file: Path | None = None
    proxy_client_key_file: Path | None = None
    requestheader_client_ca_file: Path | None = None
    requestheader_allowed_names: tuple[str, ...] = ()
    requestheader_username_headers: tuple[str, ...] = ("X-Remote-User",)
    requestheader_uid_headers: tuple[str, ...] = ("X-Remote-Uid",)
    requestheader_group_headers: tuple[str, ...] = ("X-Remote-Group",)
    requestheader_extra_headers_prefix: tuple[str, ...] = ("X-Remote-Extra-",)

    @property
    def advertised(self) -> str:
        """The address others reach this server at."""
        if self.advertise_address:
            return self.advertise_address
        return "127.0.0.1" if self.bind_address in ("0.0.0.0", "::") else self.bind_address

    @property
    def service_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        return tuple(ipaddress.ip_network(part) for part in self.service_cluster_ip_range.split(","))


def _port_range(text: str) -> range:
    first, dash, last = text.partition("-")
    if not dash or not first.isdigit() or not last.isdigit() or not 0 < int(first) <= int(last) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port range; write it as 30000-32767")
    return range(int(first), int(last) + 1)


def _networks(text: str) -> str:
    for part in text.split(","):
        try:
            ipaddress.ip_network(part)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{part!r} is not a network: {error}") from None
    return text


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; write it as 90s, 15m or 1h") from None


def _modes(text: str) -> tuple[str, ...]:
    modes = tuple(text.split(","))
    for mode in modes:
        if mode not in AUTHORIZATION_MODES:
            raise argparse.ArgumentTypeError(f"{mode!r} is not one of {', '.join(AUTHORIZATION_MODES)}")
    return modes


def _plugins_problem(enable: Sequence[str], disable: Sequence[str]) -> str:
    """What is wrong with the names of admission plugins, as Kubernetes says it; empty when nothing is."""
    for verb, names in (("enable", enable), ("disable", disable)):
        for name in names:
            if name not in NAMES:
                return f'{verb}-admission-plugins plugin "{name}" is unknown'
    both = sorted({*enable} & {*disable})
    return f"[{' '.join(both)}] in enable-admission-plugins and disable-admission-plugins overlapped" if both else ""


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name; write it as one,two")
    return names


def _address_types(text: str) -> tuple[str, ...]:
    types = _names(text)
    if unknown := [name for name in types if name not in ADDRESS_TYPES]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no type of address; known: {', '.join(ADDRESS_TYPES)}")
    return types


def _add_front_proxy_flags(parser: argparse.ArgumentParser) -> None:
    """Whom the server believes who somebody else is, and how it says who it is to kubelets and aggregated APIs."""
    add = parser.add_argument
    kubelet_ca = "CA of the certificates that kubelets serve with; empty: any is believed; default: the cluster's own"
    add("--kubelet-certificate-authority", help=kubelet_ca)
    add(
        "--kubelet-client-certificate",
        type=Path,
        help="certificate shown to kubelets; default: made by the cluster's CA",
    )
    add("--kubelet-client-key", type=Path, help="key of --kubelet-client-certificate")
    add(
        "--kubelet-preferred-address-types",
        type=_address_types,
        default=ADDRESS_TYPES,
        help=f"which of a node's addresses to use, the first that it has; default: {','.join(ADDRESS_TYPES)}",
    )
    add("--proxy-client-cert-file", type=Path, help="certificate shown to aggregated APIs; default: made by a CA here")
    add("--proxy-client-key-file", type=Path, help="key of --proxy-client-cert-file")
    add("--requestheader-client-ca-file", type=Path, help="CA of front proxies; default: one made in the data folder")
    add("--requestheader-allowed-names", type=_names, default=(), help="common names of front proxies; default: any")
    for flag, default, what in (
        ("username-headers", "X-Remote-User", "user"),
        ("uid-headers", "X-Remote-Uid", "UID"),
        ("group-headers", "X-Remote-Group", "groups"),
        ("extra-headers-prefix", "X-Remote-Extra-", "extra attributes"),
    ):
        add(f"--requestheader-{flag}", type=_names, default=(default,), help=f"where front proxies say the {what}")


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "1", "t"):
        return True
    if text.lower() in ("false", "0", "f"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def parse(argv: Sequence[str] | None) -> Options:
    """Read the command line.  Exits with a message and status 2 when it is wrong, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m apiserver",
        description="The Kubernetes API over SQLite.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data-dir", type=Path, required=True, help="folder of the database, the keys and the kubeconfigs")
    add("--bind-address", default="127.0.0.1", help="address to listen on")
    add("--secure-port", type=int, default=6443, help="port to serve HTTPS on")
    add("--advertise-address", default="", help="address the other components reach this server at")
    add("--external-hostname", default="", help="host name written into the kubeconfigs")
    add("--client-ca-file", type=Path, help="CA of client certificates; default: the cluster's own")
    add("--tls-cert-file", type=Path, help="certificate to serve with; default: made by the cluster's CA")
    add("--tls-private-key-file", type=Path, help="key of --tls-cert-file")
    add(
        "--tls-san",
        action="append",
        default=[],
        help="further name or address in the serving certificate; may be repeated",
    )
    add("--service-cluster-ip-range", type=_networks, default="10.96.0.0/16", help="range of Service addresses")
    add("--service-node-port-range", type=_port_range, default=range(30000, 32768), help="ports of NodePort services")
    add("--authorization-mode", type=_modes, default=("Node", "RBAC"), help="authorizers to ask, in order")
    add(
        "--enable-priority-and-fairness",
        type=_boolean,
        default=True,
        help="queue requests by flow, not only count them",
    )
    add("--max-requests-inflight", type=int, default=400, help="seats of requests; for those that read if counted only")
    add("--max-mutating-requests-inflight", type=int, default=200, help="seats added to them; or for all others")
    for verb in ("enable", "disable"):
        add(
            f"--{verb}-admission-plugins",
            type=lambda text: text.split(","),
            action="extend",
            default=[],
            metavar="NAME,…",
            help=f"admission plugins to {verb} besides or of those that are on by default; order does not matter",
        )
    for state in ("not-ready", "unreachable"):
        add(
            f"--default-{state}-toleration-seconds",
            type=int,
            default=300,
            help=f"how long pods that do not say stay on a node that is {state}",
        )
    add("--admission-control-config-file", type=Path, help="configurations of admission plugins, in YAML")
    add(
        "--check-policy-types",
        action="store_true",
        help="write into the status of ValidatingAdmissionPolicies what in them cannot be right; "
        "in Kubernetes the controller manager does",
    )
    add("--encryption-provider-config", type=Path, help="EncryptionConfiguration: what is encrypted in the database")
    add(
        "--encryption-provider-config-automatic-reload",
        type=_boolean,
        nargs="?",
        const=True,
        default=False,
        help="follow the changes of that file",
    )
    add("--event-ttl", type=_duration, default=3600.0, help="how long Events are kept")
    add(
        "--issue-kubeconfig-for",
        action="append",
        default=[],
        metavar="NODE",
        help="write a kubeconfig for this node; may be repeated",
    )
    _add_front_proxy_flags(parser)
    add("--ready-fd", type=int, help="inherited file descriptor to write a byte to when serving")
    add("--v", type=int, default=0, dest="verbosity", help="log verbosity")
    add_flags(parser, _duration, _boolean)
    audit_flags.add_flags(parser, _duration, _boolean)
    given = vars(parser.parse_args(argv))
    given["audit"] = audit_flags.taken_from(given, parser)
    given["authentication"] = taken_from(given, parser)
    for name in ("tls_san", "issue_kubeconfig_for", "enable_admission_plugins", "disable_admission_plugins"):
        given[name] = tuple(given[name])
    if given["encryption_provider_config_automatic_reload"] and given["encryption_provider_config"] is None:
        parser.error("--encryption-provider-config-automatic-reload needs --encryption-provider-config")
    if given["enable_priority_and_fairness"] and (
        given["max_requests_inflight"] + given["max_mutating_requests_inflight"] <= 0
    ):
        parser.error("--max-requests-inflight and --max-mutating-requests-inflight: their sum has to be positive")
    if problem := _plugins_problem(given["enable_admission_plugins"], given["disable_admission_plugins"]):
        parser.error(problem)
    if (given["tls_cert_file"] is None) != (given["tls_private_key_file"] is None):
        parser.error("--tls-cert-file and --tls-private-key-file go together")
    if (given["proxy_client_cert_file"] is None) != (given["proxy_client_key_file"] is None):
        parser.error("--proxy-client-cert-file and --proxy-client-key-file go together")
    if (given["kubelet_client_certificate"] is None) != (given["kubelet_client_key"] is None):
        parser.error("--kubelet-client-certificate and --kubelet-client-key go together")
    return Options(**given)

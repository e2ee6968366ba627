"""Kubeconfig files, flags, durations."""

import base64
from pathlib import Path

import pytest

from api.duration import parse_duration
from client.component import client_config, flag_parser
from client.config import ConfigError, load_kubeconfig

TEXT = """
apiVersion: v1
kind: Config
current-context: main
clusters:
- name: c
  cluster: {server: "https://127.0.0.1:6443/", certificate-authority: ca.pem}
contexts:
- name: main
  context: {cluster: c, user: u, namespace: work}
- name: other
  context: {cluster: c, user: t}
users:
- name: u
  user: {client-certificate-data: CERT, client-key-data: KEY}
- name: t
  user: {token: secret}
"""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_bytes(b"ca")
    file = tmp_path / "config"
    text = TEXT.replace("CERT", base64.b64encode(b"cert").decode()).replace("KEY", base64.b64encode(b"key").decode())
    file.write_text(text)
    return file


def test_reads_certificates_inline_and_from_files(kubeconfig: Path) -> None:
    config = load_kubeconfig(kubeconfig)
    assert (config.server, config.namespace) == ("https://127.0.0.1:6443", "work")
    assert (config.ca_data, config.client_cert_data, config.client_key_data) == (b"ca", b"cert", b"key")


def test_reads_another_context(kubeconfig: Path) -> None:
    config = load_kubeconfig(kubeconfig, "other")
    assert (config.token, config.namespace, config.client_cert_data) == ("secret", "default", b"")


def test_finds_the_file_by_environment(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{kubeconfig}.absent:{kubeconfig}")
    assert load_kubeconfig().namespace == "work"


@pytest.mark.parametrize(("content", "complaint"), [("- 1", "not a kubeconfig"), ("{", "cannot be read")])
def test_says_what_is_wrong_with_a_file(tmp_path: Path, content: str, complaint: str) -> None:
    file = tmp_path / "config"
    file.write_text(content)
    with pytest.raises(ConfigError, match=complaint):
        load_kubeconfig(file)
    with pytest.raises(ConfigError, match="No such file"):
        load_kubeconfig(tmp_path / "absent")


def test_says_which_context_is_missing(kubeconfig: Path) -> None:
    with pytest.raises(ConfigError, match="no context 'x'"):
        load_kubeconfig(kubeconfig, "x")


def test_master_overrides_the_server_of_the_kubeconfig(kubeconfig: Path) -> None:
    options = flag_parser("x", "").parse_args(["--kubeconfig", str(kubeconfig), "--master", "https://other"])
    assert (client_config(options).server, client_config(options).ca_data) == ("https://other", b"ca")


def test_boolean_flags_as_go_reads_them() -> None:
    flags = flag_parser("x", "", leader_election=True)
    assert flags.parse_args([]).leader_elect is True
    assert flags.parse_args(["--leader-elect=false"]).leader_elect is False
    assert flags.parse_args(["--leader-elect-lease-duration=1m30s"]).leader_elect_lease_duration == 90


@pytest.mark.parametrize(("text", "seconds"), [("1h2m3s", 3723), ("300ms", 0.3), ("1.5s", 1.5), ("0", 0), ("-2s", -2)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "1d", "1s2", "s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)

"""Flags that do not go together, and files that cannot be used, are told before the server starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from apiserver.flags import parse
from tests.ports import free_port


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--oidc-issuer-url=https://a"], "oidc-issuer-url and oidc-client-id must be specified together"),
        (
            ["--oidc-issuer-url=https://a", "--oidc-client-id=c", "--authentication-config=f"],
            "authentication-config file and oidc-* flags are mutually exclusive",
        ),
        (
            ["--oidc-issuer-url=https://a", "--oidc-client-id=c", "--oidc-signing-algs=HS256"],
            "unsupported signing alg HS256",
        ),
        (["--oidc-required-claim=tier"], "is not NAME=VALUE"),
        (["--service-account-max-token-expiration=10m"], "must be between 1 hour and 2^32 seconds"),
        (["--authorization-mode=ABAC"], "'ABAC' is not one of"),
    ],
)
def test_flags_that_make_no_sense(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    with pytest.raises(SystemExit):
        parse(["--data-dir", str(tmp_path), *flags])
    assert words in capsys.readouterr().err


def test_what_flags_say(tmp_path: Path) -> None:
    options = parse(["--data-dir", str(tmp_path)]).authentication
    assert options.audiences == options.service_account_issuer == ("https://kubernetes.default.svc",)
    issuers = ["--service-account-issuer=https://a", "--service-account-issuer=https://b"]
    options = parse(["--data-dir", str(tmp_path), *issuers, "--enable-bootstrap-token-auth"]).authentication
    assert (options.audiences, options.enable_bootstrap_token_auth) == (("https://a", "https://b"), True)
    assert parse(["--data-dir", str(tmp_path), *issuers, "--api-audiences=x,y"]).authentication.audiences == ("x", "y")


@pytest.mark.parametrize(
    "flag",
    [
        "--service-account-key-file=FILE",
        "--service-account-signing-key-file=FILE",
        "--authentication-config=FILE",
        "--authorization-config=FILE",
        "--authentication-token-webhook-config-file=FILE",
    ],
)
def test_files_that_are_not_there(tmp_path: Path, flag: str) -> None:
    missing = tmp_path / "missing"
    command = [sys.executable, "-m", "apiserver", "--data-dir", str(tmp_path / "data"), "--secure-port"]
    flags = [str(free_port()), flag.replace("FILE", str(missing))]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert str(missing) in done.stderr
    assert "No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr

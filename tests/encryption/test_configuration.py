"""Which provider a resource gets, and what is said of a file that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apiserver.configuration_file import ConfigurationError
from apiserver.encryption.configuration import read_encryption
from tests.encryption.configurations import IDENTITY, KEY_1, KEY_2, provider, write_configuration, write_rules


def stored_prefix(path: Path, key: str) -> bytes:
    _, transformers = read_encryption(path)
    return transformers.of(key).encrypt(b"{}", key).partition(b":v1:")[0]


def test_an_exact_name_comes_before_its_group_and_that_before_everything(tmp_path: Path) -> None:
    path = write_rules(
        tmp_path / "c.yaml",
        {"resources": ["secrets", "pods."], "providers": [provider("secretbox", KEY_1)]},
        {"resources": ["widgets.example.com"], "providers": [IDENTITY]},
        {"resources": ["*.example.com", "*."], "providers": [provider("aescbc", KEY_1)]},
        {"resources": ["*.*"], "providers": [provider("aesgcm", KEY_1)]},
    )
    assert stored_prefix(path, "/secrets/ns/a") == b"k8s:enc:secretbox"
    assert stored_prefix(path, "/pods/ns/a") == b"k8s:enc:secretbox"
    assert stored_prefix(path, "/configmaps/ns/a") == b"k8s:enc:aescbc"
    assert stored_prefix(path, "/gadgets.example.com/a") == b"k8s:enc:aescbc"
    assert stored_prefix(path, "/widgets.example.com/a") == b"{}"
    assert stored_prefix(path, "/deployments.apps/ns/a") == b"k8s:enc:aesgcm"


def test_a_list_may_not_follow_one_that_includes_it(tmp_path: Path) -> None:
    path = write_rules(
        tmp_path / "c.yaml",
        {"resources": ["*."], "providers": [IDENTITY]},
        {"resources": ["secrets"], "providers": [provider("aesgcm", KEY_1)]},
    )
    with pytest.raises(ConfigurationError, match=r"'secrets' is masked by the earlier rule '\*\.'"):
        read_encryption(path)


def test_a_second_list_with_the_same_resource_adds_providers(tmp_path: Path) -> None:
    path = write_rules(
        tmp_path / "c.yaml",
        {"resources": ["secrets"], "providers": [provider("secretbox", KEY_1)]},
        {"resources": ["secrets"], "providers": [IDENTITY]},
    )
    assert stored_prefix(path, "/secrets/ns/a") == b"k8s:enc:secretbox"
    plain = read_encryption(path)[1].of("/secrets/ns/a").decrypt(b"{}", "/secrets/ns/a")
    assert plain == b"{}"


def test_what_no_rule_names_is_stored_plain(tmp_path: Path) -> None:
    path = write_configuration(tmp_path / "c.yaml", provider("aesgcm", KEY_1))
    assert stored_prefix(path, "/configmaps/ns/a") == b"{}"
    assert stored_prefix(path, "/secrets.example.com/ns/a") == b"{}"


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"resources": ["secrets"], "providers": []}, "resources[0].providers: at least one is required"),
        ({"resources": [], "providers": [IDENTITY]}, "resources[0].resources: at least one is required"),
        ({"resources": ["secrets"], "providers": [{}]}, "one provider is required"),
        ({"resources": ["secrets"], "providers": [provider("aesgcm")]}, "at least one key is required"),
        ({"resources": ["secrets"], "providers": [{"kms": {"name": "vault"}}]}, "kms is not supported"),
        ({"resources": ["*"], "providers": [IDENTITY]}, "write '*.' for all resources of the core group"),
        ({"resources": ["Secrets"], "providers": [IDENTITY]}, "capital letters"),
        ({"resources": ["*.", "secrets"], "providers": [IDENTITY]}, "in the same list"),
        ({"resources": ["secrets", "*."], "providers": [IDENTITY]}, "in the same list"),
        ({"resources": ["secrets", "*.*"], "providers": [IDENTITY]}, "in the same list"),
        ({"resources": ["secrets", "secrets"], "providers": [IDENTITY]}, "named more than once"),
        ({"resources": ["events.events.k8s.io"], "providers": [IDENTITY]}, "is stored as 'events'"),
        ({"resources": ["secrets"], "provider": []}, 'unknown field "resources.0.provider"'),
        (
            {"resources": ["secrets"], "providers": [provider("aesgcm", KEY_1, KEY_1)]},
            "two keys are named 'key1'",
        ),
        (
            {"resources": ["secrets"], "providers": [{**IDENTITY, **provider("aesgcm", KEY_2)}]},
            "one provider, not aesgcm and identity",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_path_and_what_is_wrong(
    tmp_path: Path, rule: dict[str, Any], complaint: str
) -> None:
    path = write_rules(tmp_path / "c.yaml", rule)
    with pytest.raises(ConfigurationError) as refused:
        read_encryption(path)
    assert complaint in str(refused.value)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("secret", "complaint"), [("not base64!", "has to be base64"), ("c2hvcnRzaG9ydA==", "has 10 bytes and needs")]
)
def test_a_wrong_key_is_not_shown(tmp_path: Path, secret: str, complaint: str) -> None:
    path = write_configuration(tmp_path / "c.yaml", provider("secretbox", {"name": "k", "secret": secret}))
    with pytest.raises(ConfigurationError) as refused:
        read_encryption(path)
    assert complaint in str(refused.value)
    assert secret not in str(refused.value)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("kind: Policy\napiVersion: audit.k8s.io/v1\nrules: []\n")
    with pytest.raises(ConfigurationError, match=r"has to be EncryptionConfiguration of apiserver.config.k8s.io/v1"):
        read_encryption(path)

"""Names, keys and addresses: what is accepted and in which words the rest is refused."""

from __future__ import annotations

import pytest

from apiserver.registry import addresses, names


@pytest.mark.parametrize("name", ["a", "a-b", "a.b.c", "1", "x" * 253])
def test_subdomains(name: str) -> None:
    assert names.dns_subdomain(name) == ()


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a..b", ".", "a/b"])
def test_what_no_subdomain_is(name: str) -> None:
    assert names.dns_subdomain(name) == (names.SUBDOMAIN_MESSAGE,)


def test_too_long_is_said_before_malformed() -> None:
    assert names.dns_subdomain("X" * 254) == ("must be no more than 253 characters", names.SUBDOMAIN_MESSAGE)


def test_a_label_that_is_a_subdomain_has_dots() -> None:
    assert names.dns_label("a.b") == ("must not contain dots",)
    assert names.dns_label("A_b") == (names.LABEL_MESSAGE,)


def test_a_prefix_may_end_in_a_dash() -> None:
    assert names.dns_subdomain("web-", True) == ()
    assert names.dns_subdomain("web-") == (names.SUBDOMAIN_MESSAGE,)
    assert names.dns_label("Web-", True) == (names.LABEL_MESSAGE,)


def test_path_segments() -> None:
    assert names.path_segment("A:b_c") == ()
    assert names.path_segment("a/b%") == ("may not contain '/'", "may not contain '%'")
    assert names.path_segment("..") == ("may not be '..'",)


@pytest.mark.parametrize("key", ["a", "A_1.x", "example.com/K", "x" * 63, "example.com/" + "x" * 63])
def test_qualified_names(key: str) -> None:
    assert names.qualified(key) == ()


def test_what_no_qualified_name_is() -> None:
    assert names.qualified("")[0] == "name part must be non-empty"
    assert names.qualified("/a") == ("prefix part must be non-empty",)
    assert names.qualified("k" * 64) == ("name part must be no more than 63 bytes",)
    assert names.qualified("Bad_/k") == ("prefix part " + names.SUBDOMAIN_MESSAGE,)
    assert names.qualified("a/b/c")[0].endswith(
        "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
    )


def test_label_values_may_be_empty() -> None:
    assert names.label_value("") == ()
    assert names.label_value("a_B.1") == ()
    assert len(names.label_value("-a")) == 1


def test_config_keys_cannot_leave_their_directory() -> None:
    assert names.config_key(".a") == ()
    assert names.config_key("..") == ("must not be '..'",)
    assert names.config_key("..data") == ("must not start with '..'",)


def test_port_names() -> None:
    assert names.port_name("http-1") == ()
    assert names.port_name("1234") == ("must contain at least one letter (a-z)",)
    assert names.port_name("much-too-long-name") == ("must be no more than 15 characters",)


def test_addresses() -> None:
    assert addresses.address("10.0.0.1") == addresses.address("2001:db8::1") == ()
    assert addresses.address("010.0.0.1") == ("must not have leading 0s",)
    assert addresses.address("nowhere") == ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)
    assert addresses.family("2001:db8::1") == "IPv6"


def test_networks() -> None:
    assert addresses.network("10.0.0.0/8") == ()
    assert addresses.network("10.0.0.0") == ("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",)
    assert "bits set beyond" in addresses.network("10.0.0.1/8")[0]

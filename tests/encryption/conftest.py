"""Servers that the tests start by themselves end with them."""

from tests.apiserver.conftest import ends_with_test

__all__ = ["ends_with_test"]

"""Decides which node each pod runs on."""

"""What can keep a cluster from starting or stopping."""

from __future__ import annotations


class ClusterError(Exception):
    """One line for the user: what is wrong and what to do about it.  Nothing has been changed."""

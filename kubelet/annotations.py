"""What the kubelet notes on containers, so that a later kubelet knows it."""

HASH = "nanokube.io/container-hash"
"""Of the part of the specification that makes a new container necessary when it changes."""

IMAGE_ID = "nanokube.io/image-id"

GRACE = "nanokube.io/termination-grace-period-seconds"
"""For pods that are gone from the API when they are ended."""

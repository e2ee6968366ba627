"""What every request passes through, one concern each, as pure ASGI."""

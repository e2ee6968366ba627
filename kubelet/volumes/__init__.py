"""What pods mount: one file per kind of volume."""

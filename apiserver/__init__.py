"""The REST server, and the only owner of the store.  Everything else in the cluster is its client."""

from api.lazy_package import open_later

# Its own command line, the reloader and a supervisor of processes are half of its import time, and two megabytes.
open_later("uvicorn")

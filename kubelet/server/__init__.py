"""The kubelet's own HTTPS server: logs, exec, attach, port-forward, stats."""

from api.lazy_package import open_later

# Its own command line, the reloader and a supervisor of processes are half of its import time, and two megabytes.
open_later("uvicorn")

"""What every component is built from: REST client, informers, work queue, controllers; and the `nanokube` command."""

import sys

# When click and rich happen to be installed, httpx imports them for its own command line: a third of its import time.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

"""`python -m client.cli` is `nanokube`."""

import sys

from client.cli import main

sys.exit(main())

"""Health check of a container: health.py URL exits with 0 when the URL answers 200.

The certificate is not checked: the question is whether the server works, and it is asked on its own loopback.
"""

import ssl
import sys
import urllib.request

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
try:
    with urllib.request.urlopen(sys.argv[1], timeout=3, context=context) as answer:
        sys.exit(answer.status != 200)
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error}")

"""Reading request bodies in protobuf, which client-go's typed clients send (kubectl 1.32 and later among them).

Answers are never written in protobuf: every client that sends it takes JSON.  See docs/adr/0010.
"""

from apiserver.protobuf.envelope import MAGIC, MEDIA_TYPE, Envelope, unwrap
from apiserver.protobuf.objects import read
from apiserver.protobuf.wire import Malformed

__all__ = ["MAGIC", "MEDIA_TYPE", "Envelope", "Malformed", "read", "unwrap"]

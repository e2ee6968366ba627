"""Reading request bodies in protobuf, which client-go's typed clients send, those inside kubectl among them.

    envelope = unwrap(body)                        # says apiVersion and kind
    document = read(ConfigMap, envelope.raw)       # the dictionary that JSON would have given

Answers are never written in protobuf: every client that sends it takes JSON.  A new type needs its line in
`tables`; the test of the field numbers prints the line that is missing.  See docs/adr/0010.
"""

from apiserver.protobuf.envelope import MAGIC, MEDIA_TYPE, Envelope, unwrap
from apiserver.protobuf.objects import read
from apiserver.protobuf.wire import Malformed

__all__ = ["MAGIC", "MEDIA_TYPE", "Envelope", "Malformed", "read", "unwrap"]

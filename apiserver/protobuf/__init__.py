"""Objects in protobuf, which client-go's typed clients send and prefer, those inside kubectl among them.

    envelope = unwrap(body)                        # says apiVersion and kind
    document = read(ConfigMap, envelope.raw)       # the dictionary that JSON would have given

    body = encode({"kind": "ConfigMap", ...})      # the way back, for answers; encode_event for a watch

A new type needs its line in `tables`; the test of the field numbers prints the line that is missing.  A kind without
one is answered in JSON.  See docs/adr/0010.
"""

from apiserver.protobuf.answers import encodable, encode, encode_event, encode_json
from apiserver.protobuf.envelope import MAGIC, MEDIA_TYPE, Envelope, unwrap
from apiserver.protobuf.objects import read
from apiserver.protobuf.wire import Malformed

__all__ = ["MAGIC", "MEDIA_TYPE", "Envelope", "Malformed", "encodable", "encode", "encode_event", "encode_json", "read",
           "unwrap"]  # fmt: skip

"""Names that are nobody else's."""

from __future__ import annotations

import uuid
from random import Random

from apiserver.uuid4 import uuid4


def test_they_are_random_uuids_as_rfc_9562_writes_them() -> None:
    random = Random(1)
    made = [uuid4(random) for _ in range(200)]
    assert len(set(made)) == 200
    for text in made:
        read = uuid.UUID(text)
        assert (str(read), read.version, read.variant) == (text, 4, uuid.RFC_4122)

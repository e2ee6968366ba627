"""One file per verb, generic over resources: nothing here knows a kind."""

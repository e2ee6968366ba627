"""Field numbers of events/v1; see `apiserver.protobuf.field_numbers`."""

TABLE = """
Event: metadata eventTime series reportingController reportingInstance action reason regarding related note type
    deprecatedSource deprecatedFirstTimestamp deprecatedLastTimestamp deprecatedCount
EventSeries: count lastObservedTime
"""

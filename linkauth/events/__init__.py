"""What happened: one typed stream of events, and the sinks that record them (docs/events.md)."""

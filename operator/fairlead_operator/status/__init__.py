"""The status of an ApiService: its conditions and reasons, when it is written, and the Events beside it."""

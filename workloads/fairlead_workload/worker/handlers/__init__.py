"""Handlers of events: compiled plans, steps, progress, compensation, and the slots in which they run."""

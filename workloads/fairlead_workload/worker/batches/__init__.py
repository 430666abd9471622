"""Events that need one unit of work each, applied many at a time: commands, and facts whose steps make no call."""

"""The one error of the bench."""


class Failed(Exception):
    """A measurement that cannot be used. The text names the cause; the command prints it and exits with status 1."""

"""Errors that are told to people in one line, without a traceback."""


class RunError(Exception):
    """The run cannot go on; the message is one line that says what happened and where."""


class InputError(RunError, ValueError):
    """Something the user gave is wrong; the message is one line that says what, where, and what would be right."""

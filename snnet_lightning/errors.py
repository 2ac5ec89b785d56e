"""The one error that means: the input is wrong, not the program."""


class InputError(ValueError):
    """Something the user gave is wrong; the message is one line that says what, where, and what would be right."""

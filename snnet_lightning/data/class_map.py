"""The file that says which classes there are, where the folders alone do not."""

from pathlib import Path

from snnet_lightning.errors import InputError


def read_class_map(path: str, root: str) -> dict[str, int]:
    """Indices of the classes by name, from a text file with one name a line.

    timm would read it too, but takes pickles as well. A path that leads nowhere is looked for in ``root``.

    Raises:
        InputError: there is no such file, or it is anything else.
    """
    where = f"data.class_map={path}"
    file = next((file for file in (Path(path), Path(root) / path) if file.is_file()), None)
    if file is None:
        raise InputError(f"{where}: there is no such file, nor in data.root={root}")
    if file.suffix.lower() != ".txt":
        raise InputError(f"{where}: must be a text file (.txt) with the name of one class on every line")
    try:
        names = [line.strip() for line in file.read_text(encoding="utf-8-sig").rstrip().split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: is not a readable text file ({error})") from error
    seen: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name or not name.isprintable():
            raise InputError(f"{where}: line {number} is no name of a class")
        if name in seen:
            raise InputError(f"{where}: line {number} is {name} again, as line {seen[name] + 1}")
        seen[name] = number - 1
    return seen

"""A file that readers see whole: the old one, or the new one."""

import os
from pathlib import Path

from sync.errors import PermanentError, TransientError


def replace_file(path: Path, content: bytes) -> None:
    """Raises TransientError where another program holds the file open, PermanentError where the
    folder cannot be written."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except PermissionError as error:
        raise TransientError(
            f"{path} cannot be replaced ({error.strerror}): close it in other programs, and let "
            "dealpulse write into its folder."
        ) from None
    except OSError as error:
        raise PermanentError(f"{path} cannot be written: {error.strerror}.") from None

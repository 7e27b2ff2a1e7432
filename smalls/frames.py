"""Whose code failed: the user's own frames of a traceback, never ours or a library's."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

_OURS = str(Path(__file__).resolve().parent)
_LIBRARIES = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def user_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the frames that are neither ours, nor the standard library's, nor an installed package's."""
    return [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_OURS, *_LIBRARIES, "<"))
    ]


def user_place(error: BaseException, prefer: str | None = None) -> tuple[str | None, int | None]:
    """Return file and line of the innermost frame in `prefer`, else of the innermost of the user's."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    chosen = [frame for frame in frames if prefer and frame.filename == prefer] or user_frames(error)
    return (chosen[-1].filename, chosen[-1].lineno) if chosen else (None, None)


def deepest(error: BaseException) -> tuple[str | None, int | None]:
    """Return file and line where an exception was raised, whoever's they are: for reports of defects."""
    frames = traceback.extract_tb(error.__traceback__)
    return (frames[-1].filename, frames[-1].lineno) if frames else (None, None)

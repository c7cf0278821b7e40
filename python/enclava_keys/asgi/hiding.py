"""Taking the usage event out of a stream for a client that did not ask for it, and not a byte more."""

from __future__ import annotations

import json
import re

__all__ = ["UsageHider"]

# The end of a line and an empty line after it, whichever way lines end; a CR LF is one end, not two.
_EVENT_END = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)")
# A usage event is short. What is longer is none, and is not kept waiting for its end.
_LONGEST = 16 * 1024


class UsageHider:
    """Passes the events of a stream on, but for the one that only tells the usage.

    An event that came whole is passed on at once; one that came in part waits for its end, which its client
    does as well.
    """

    def __init__(self) -> None:
        """Begin at the start of a stream."""
        self._part = b""
        self._passing = False
        # Where the last event ended in CR: whether it was shown, for an LF that comes next is its own.
        self._open_end: bool | None = None

    def feed(self, chunk: bytes) -> bytes:
        """Take in a chunk; answer with what of the stream may go on."""
        text = self._part + chunk
        shown = []
        at = 0
        if text and self._open_end is not None:
            if text.startswith(b"\n"):
                shown.append(b"\n" * self._open_end)
                at = 1
            self._open_end = None
        for end in _EVENT_END.finditer(text, at):
            event = text[at : end.end()]
            at = end.end()
            shows = self._passing or not _only_tells_usage(event)
            if shows:
                shown.append(event)
            if at == len(text) and event.endswith(b"\r"):
                self._open_end = shows
            self._passing = False
        self._part = text[at:]
        if self._passing or len(self._part) > _LONGEST:
            # The end of its last line stays: with the start of the next chunk it may be the event's end.
            line = self._part.rstrip(b"\r\n")
            shown.append(line)
            self._part = self._part[len(line) :]
            self._passing = True
        return b"".join(shown)

    def finish(self) -> bytes:
        """Answer with what is left at the end of the stream."""
        part, self._part = self._part, b""
        return b"" if _only_tells_usage(part) and not self._passing else part


def _only_tells_usage(event: bytes) -> bool:
    if b'"usage"' not in event or b'"choices"' not in event:
        return False
    data = b"\n".join(line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:"))
    try:
        told = json.loads(data)
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("choices") == [] and isinstance(told.get("usage"), dict)

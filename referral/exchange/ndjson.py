"""Files of resources, one a line: newline-delimited JSON. https://hl7.org/fhir/R4/nd-json.html"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from referral.actions.load_resources import Line


def read_lines(files: Iterable[Path], longest: int) -> Iterator[Line]:
    """The lines that are not empty; of one that has more than `longest` bytes, so many. Raises OSError."""
    for path in files:
        with path.open("rb") as file:
            number = 0
            while body := file.readline(longest + 2):
                number += 1
                left = body
                while len(left) == longest + 2 and not left.endswith(b"\n"):
                    left = file.readline(longest + 2)
                is_long = len(body.rstrip(b"\r\n")) > longest
                if stripped := body[:longest].strip():
                    yield Line(f"{path.name}:{number}", stripped, is_long)

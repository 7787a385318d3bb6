"""Files of resources, one a line: newline-delimited JSON. https://hl7.org/fhir/R4/nd-json.html"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from referral.actions.load_resources import Line
from referral.domain.errors import BrokenRule


def read_lines(files: Iterable[Path], longest: int) -> Iterator[Line]:
    """The lines that are not empty. Raises OSError, BrokenRule for a line of more than `longest` bytes."""
    for path in files:
        with path.open("rb") as file:
            number = 0
            while body := file.readline(longest + 2):
                number += 1
                if len(body.rstrip(b"\r\n")) > longest:
                    raise BrokenRule(f"{path}:{number}: a line has at most {longest} bytes")
                if stripped := body.strip():
                    yield Line(f"{path.name}:{number}", stripped)

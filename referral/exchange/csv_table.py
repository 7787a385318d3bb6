"""One CSV file of an import folder: its rows by column name, or what is wrong and where.

The form is that of RFC 4180 in UTF-8, with or without a byte order mark; the first row is the
header. Nothing here knows what the columns mean.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from referral.domain.errors import BrokenRule, Problem
from referral.fhir.primitives import ID

LONGEST_CELL = 1000
LONGEST_FAULTY_VALUE_SHOWN = 40

# https://hl7.org/fhir/R4/datatypes.html#id
_CODE_PATTERN = re.compile(r"[^\s;,]{1,64}")
# ASCII digits only: float() and Decimal() also take "1_000", "nan", "1e9" and digits of other scripts.
_NUMBER_PATTERN = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,12})?")
_INTEGER_PATTERN = re.compile(r"-?[0-9]{1,9}")
_CONTROL_PATTERN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_DATE_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True, order=True)
class RowFault:
    """One thing wrong in an import file.

    `line` is the physical line, counted from 1, on which the row begins; 0 when the fault
    concerns the whole file or the line is not known. `column` is '' when it concerns the row.
    """

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        place = self.file if self.line == 0 else f"{self.file} line {self.line}"
        return f"{place}, {self.column}: {self.reason}" if self.column else f"{place}: {self.reason}"


class ImportFaults(BrokenRule):
    """Files that cannot be imported. `faults` holds all of them, in the order of file and line."""

    def __init__(self, faults: tuple[RowFault, ...]) -> None:
        self.faults = faults
        super().__init__(tuple(Problem(str(fault)) for fault in faults))

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


def shown(value: str) -> str:
    """Return the value in quotes for a message, escaped and cut."""
    cut = value if len(value) <= LONGEST_FAULTY_VALUE_SHOWN else value[:LONGEST_FAULTY_VALUE_SHOWN] + "..."
    return repr(cut)


def is_clean(text: str) -> bool:
    """Tell whether the text has no control character but tab and line ends (PostgreSQL stores no NUL)."""
    return not _CONTROL_PATTERN.search(text)


class Row:
    """One row: getters by column that note a fault and return the default when a cell is wrong.

    A getter returns the default for an empty cell too; call `require` for cells that must be
    filled. After the getters, `faulty` tells whether to use what they returned. In a `shifted` row
    the number of cells is wrong, so nothing but its first cells can be trusted.
    """

    def __init__(self, file: str, line: int, cells: Mapping[str, str], faults: list[RowFault]) -> None:
        self.line = line
        self.faulty = False
        self.shifted = False
        self._file = file
        self._cells = cells
        self._faults = faults

    def fault(self, column: str, reason: str) -> None:
        """Note a fault of this row."""
        self.faulty = True
        self._faults.append(RowFault(self._file, self.line, column, reason))

    def text(self, column: str) -> str:
        """Return the cell without surrounding space; '' when empty or when the file has no such column."""
        return self._cells.get(column, "")

    def optional(self, column: str) -> str | None:
        """Return the cell, None when empty."""
        return self.text(column) or None

    def require(self, *columns: str) -> None:
        """Note a fault for each of the columns whose cell is empty."""
        for column in columns:
            if not self.text(column):
                self.fault(column, "is empty")

    def identifier(self, column: str) -> str:
        """Return the cell, which must be a FHIR id."""
        value = self.text(column)
        if value and not ID.fullmatch(value):
            self.fault(column, f"{shown(value)} is not an id (1 to 64 of A-Z a-z 0-9 - .)")
        return value

    def code(self, column: str) -> str | None:
        """Return the cell, which must be one word of at most 64 characters."""
        value = self.text(column)
        if value and not _CODE_PATTERN.fullmatch(value):
            self.fault(column, f"{shown(value)} is not a code (one word of at most 64 characters)")
        return value or None

    def codes(self, column: str) -> tuple[str, ...]:
        """Return the codes of a cell, separated by spaces or semicolons, each once."""
        found = tuple(dict.fromkeys(self.text(column).replace(";", " ").split()))
        for code in found:
            if not _CODE_PATTERN.fullmatch(code):
                self.fault(column, f"{shown(code)} is not a code (one word of at most 64 characters)")
        return found

    def choice(self, column: str, choices: type[Choice]) -> Choice | None:
        """Return the member of the enum whose value the cell holds."""
        value = self.text(column)
        if not value:
            return None
        try:
            return choices(value)
        except ValueError:
            self.fault(column, f"{shown(value)} is unknown; one of {', '.join(choices)}")
            return None

    def one_of(self, column: str, choices: tuple[str, ...]) -> str | None:
        """Return the cell, which must be one of the words."""
        value = self.text(column)
        if value and value not in choices:
            self.fault(column, f"{shown(value)} is unknown; one of {', '.join(choices)}")
        return value or None

    def number(self, column: str, low: int, high: int) -> Decimal | None:
        """Return a plain decimal number within the limits (both included)."""
        return self._within(column, _NUMBER_PATTERN, "a number", low, high)

    def integer(self, column: str, low: int, high: int) -> int | None:
        """Return a whole number within the limits (both included)."""
        found = self._within(column, _INTEGER_PATTERN, "a whole number", low, high)
        return None if found is None else int(found)

    def _within(
        self, column: str, pattern: re.Pattern[str], form: str, low: int, high: int
    ) -> Decimal | None:
        value = self.text(column)
        if not value:
            return None
        if not pattern.fullmatch(value):
            self.fault(column, f"{shown(value)} is not {form}")
            return None
        found = Decimal(value)
        if not low <= found <= high:
            self.fault(column, f"{value} is not between {low} and {high}")
            return None
        return found

    def yes_no(self, column: str, default: bool) -> bool:
        """Return yes/true/1 as True and no/false/0 as False, in any case."""
        value = self.text(column)
        if value and value.lower() not in _YES_NO:
            self.fault(column, f"{shown(value)} is neither yes nor no")
        return _YES_NO.get(value.lower(), default)

    def day(self, column: str) -> date | None:
        """Return a date written YYYY-MM-DD."""
        value = self.text(column)
        if not value:
            return None
        # fromisoformat alone also takes 20260101 and week dates.
        if _DATE_PATTERN.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        self.fault(column, f"{shown(value)} is not a date (YYYY-MM-DD)")
        return None

    def period(self) -> tuple[date | None, date | None]:
        """Return `valid_from` and `valid_to`, both days included."""
        start, end = self.day("valid_from"), self.day("valid_to")
        if start and end and start > end:
            self.fault("valid_to", f"{end} is before valid_from {start}")
        return start, end


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file. `readable` is False when its rows cannot be told apart or are not there."""

    rows: tuple[Row, ...]
    readable: bool


def read_table(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...], faults: list[RowFault]
) -> Table:
    """Read a CSV file whose header has the required and may have the optional columns.

    Faults of bytes, header and cells are added to `faults`; a row with the wrong number of cells
    is kept, as `shifted`, so that other rows may still refer to it.
    """
    text = read_text(path, faults)
    if text is None:
        return Table((), readable=False)
    if not text.strip():
        faults.append(RowFault(path.name, 0, "", "is empty; the first row must be the header"))
        return Table((), readable=False)
    records = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    rows: list[Row] = []
    try:
        begins = 1
        for record in records:
            line, begins = begins, records.line_num + 1
            cells = [cell.strip() for cell in record]
            if not any(cells):
                continue
            if header is not None:
                rows.append(_row(path.name, line, header, cells, faults))
                continue
            header = cells
            wrong = _header_faults(path.name, line, header, required, optional)
            if wrong:
                faults.extend(wrong)
                return Table((), readable=False)
    except csv.Error as error:
        faults.append(RowFault(path.name, begins, "", f"is not CSV from here on ({error})"))
        return Table(tuple(rows), readable=False)
    return Table(tuple(rows), readable=True)


def read_text(path: Path, faults: list[RowFault]) -> str | None:
    """Return the text of a UTF-8 file without byte order mark; None, with a fault, when there is none."""
    try:
        # Asked first, because opening a named pipe would wait for ever.
        if path.exists() and not path.is_file():
            faults.append(RowFault(path.name, 0, "", "is not a file"))
            return None
        content = path.read_bytes()
    except FileNotFoundError:
        faults.append(RowFault(path.name, 0, "", "is missing"))
        return None
    except OSError as error:
        faults.append(RowFault(path.name, 0, "", f"cannot be read ({error.strerror})"))
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        faults.extend(_encoding_faults(path.name, content))
        return None


def _encoding_faults(file: str, content: bytes) -> list[RowFault]:
    found = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            found.append(RowFault(file, number, "", f"is not UTF-8 (byte 0x{line[error.start]:02x})"))
    return found


def _header_faults(
    file: str, line: int, header: list[str], required: tuple[str, ...], optional: tuple[str, ...]
) -> list[RowFault]:
    known = (*required, *optional)
    if not set(header) & set(known):
        hint = "; separate the columns by commas" if len(header) == 1 else ""
        reason = f"the first row is not the header; columns: {', '.join(known)}{hint}"
        return [RowFault(file, line, "", reason)]
    found = [
        RowFault(file, line, name, "is repeated in the header")
        for name in dict.fromkeys(header)
        if header.count(name) > 1 and name in known
    ]
    found += [
        RowFault(file, line, name, "is not a column of this file")
        if name
        else RowFault(file, line, "", "the header has a column without a name")
        for name in dict.fromkeys(header)
        if name not in known
    ]
    found += [
        RowFault(file, line, name, "is missing in the header") for name in required if name not in header
    ]
    return found


def _row(file: str, line: int, header: list[str], cells: list[str], faults: list[RowFault]) -> Row:
    row = Row(file, line, dict(zip(header, cells, strict=False)), faults)
    if len(cells) != len(header):
        row.shifted = True
        row.fault("", f"has {len(cells)} cells; the header has {len(header)}")
    for column, cell in zip(header, cells, strict=False):
        if len(cell) > LONGEST_CELL:
            row.fault(column, f"has {len(cell)} characters; at most {LONGEST_CELL}")
        if not is_clean(cell):
            row.fault(column, f"{shown(cell)} holds a control character")
    return row

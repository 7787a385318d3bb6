"""The SQL of the store: named statements in `store/sql/<noun>.sql`."""

import re
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def statements(noun: str) -> dict[str, str]:
    """All statements of a noun by name. Raises FileNotFoundError for an unknown noun."""
    text = resources.files("referral.store").joinpath("sql", f"{noun}.sql").read_text("utf-8")
    parts = _NAME.split(text)
    return {name: sql.strip() for name, sql in zip(parts[1::2], parts[2::2], strict=True)}


def statement(noun: str, name: str) -> str:
    """One statement. Raises KeyError for an unknown name."""
    return statements(noun)[name]


@cache
def _names() -> dict[str, str]:
    return {sql: f"{noun}.{name}" for noun in nouns() for name, sql in statements(noun).items()}


def name_of(sql: str) -> str:
    """The name of a statement, such as `change_set.load`; for one that has none, its first word."""
    return _names().get(sql) or sql.lstrip().partition(" ")[0].rstrip(";")[:16]


def nouns() -> tuple[str, ...]:
    """The nouns that have SQL: what the test that prepares every statement walks."""
    folder = resources.files("referral.store").joinpath("sql")
    return tuple(sorted(entry.name[:-4] for entry in folder.iterdir() if entry.name.endswith(".sql")))

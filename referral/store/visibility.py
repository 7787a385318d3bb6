"""The condition under which a facility sees a document, as SQL for assembled statements.

`$1` is the facility that looks. The same conditions stand in the functions of the database
(`read_document`, `included_documents`, `open_work`) and, for the day one is forgotten, in its policies.
"""

from typing import Final

from referral.domain.visibility import DIRECTORY

_BY_ACCESS: Final = (
    "EXISTS (SELECT FROM access a"
    " WHERE a.facility = $1 AND a.type = {0}.type AND a.id = {0}.id AND a.until IS NULL)"
)
_BY_DIRECTORY: Final = (
    "EXISTS (SELECT FROM directory x JOIN actor_network n ON n.network = x.network"
    " WHERE n.facility = $1 AND x.type = {0}.type AND x.id = {0}.id)"
)


def visible(resource_type: str, name: str = "d") -> str:
    """For documents of one type: one table alone, so that the planner may start there.

    name: what the document is called in the statement.
    """
    return (_BY_DIRECTORY if resource_type in DIRECTORY else _BY_ACCESS).format(name)

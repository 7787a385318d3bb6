"""The condition of a conditional create: a search without its path. https://hl7.org/fhir/R4/http.html#ccreate"""

from dataclasses import replace
from urllib.parse import parse_qsl

from referral.domain.errors import InvalidElement, Problem
from referral.domain.search import SearchQuery
from referral.fhir.search_query import DEFAULT_SORT, parse_search

# More than `parse_search` takes, so that it is the one to say so.
_MOST_PAIRS = 1000
# One match is what is looked for; a second one is what there must not be.
_ENOUGH = 2


def read_condition(resource_type: str, text: str, *, base: str, expression: str | None = None) -> SearchQuery:
    """The search for what must not be there, from `identifier=http://acme.org/mrns|12345` or the like.

    Some clients put the address of the type and a `?` before it. Raises InvalidElement for what is no search
    of this type (here no unknown parameter is passed over) or has no criterion. base: address of the FHIR
    endpoint. expression: the FHIRPath of a condition in a Bundle.
    """
    path, mark, criteria = text.strip().rpartition("?")
    if mark and path.removeprefix(base).strip("/") not in {"", resource_type}:
        raise InvalidElement("A condition is a search of the type that is created.", expression)
    try:
        pairs = parse_qsl(criteria, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PAIRS)
        query = parse_search(resource_type, pairs, lenient=False, base=base)
    except InvalidElement as fault:
        raise InvalidElement([Problem(each.text, expression) for each in fault.problems]) from None
    except ValueError:
        raise InvalidElement("A condition is UTF-8 text, not too many parameters.", expression) from None
    # What says how matches are shown is no criterion.
    shown = len(query.criteria) != len(query.self_pairs) or query.cursor is not None
    if shown or not query.criteria:
        raise InvalidElement("A condition has search criteria, and nothing else.", expression)
    return replace(query, count=_ENOUGH, sort=DEFAULT_SORT)

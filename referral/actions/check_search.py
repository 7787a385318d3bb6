"""Who may search: the type, and those that a chain looks into.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from referral.domain.scope import Interaction, Scopes, check_scope
from referral.domain.search import ChainCriterion, HasCriterion, SearchQuery


def check_search(scopes: Scopes, query: SearchQuery) -> None:
    """Raise Forbidden unless the scopes allow it: through a type that may be searched no other is seen."""
    check_scope(scopes, query.resource_type, Interaction.SEARCH)
    for criterion in query.criteria:
        if isinstance(criterion, ChainCriterion):
            for resource_type in sorted({resource_type for resource_type, _ in criterion.ways}):
                check_scope(scopes, resource_type, Interaction.SEARCH)
        elif isinstance(criterion, HasCriterion):
            check_scope(scopes, criterion.source, Interaction.SEARCH)

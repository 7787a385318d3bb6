"""What the service publishes of itself: capabilities, profiles, codes, operations, search parameters."""

from typing import Final

from referral.fhir.parameters.parameter import (
    IDENTIFIER,
    Parameter,
    boolean,
    code,
    date,
    reference,
    string,
    token,
    uri,
)

_CANONICAL: Final = (
    date("date", "date"),
    string("description", "description"),
    token("jurisdiction", "jurisdiction"),
    string("name", "name"),
    string("publisher", "publisher"),
    code("status", "status", "publication-status"),
    uri("url", "url"),
    token("version", "version"),
)
_TITLE: Final = string("title", "title")
_PROFILE: Final = "StructureDefinition"

PARAMETERS: Final[dict[str, tuple[Parameter, ...]]] = {
    "CapabilityStatement": (
        *_CANONICAL,
        token("fhirversion", "version"),
        code("format", "format", "urn:ietf:bcp:13"),
        reference("guide", "implementationGuide", "ImplementationGuide"),
        code("mode", "rest.mode", "restful-capability-mode"),
        code("resource", "rest.resource.type", "resource-types"),
        reference("resource-profile", "rest.resource.profile", _PROFILE),
        token("security-service", "rest.security.service"),
        string("software", "software.name"),
        reference("supported-profile", "rest.resource.supportedProfile", _PROFILE),
        _TITLE,
    ),
    "CodeSystem": (
        *_CANONICAL,
        token("code", "concept.code"),
        code("content-mode", "content", "codesystem-content-mode"),
        IDENTIFIER,
        code("language", "concept.designation.language", "urn:ietf:bcp:47"),
        reference("supplements", "supplements", "CodeSystem"),
        uri("system", "url"),
        _TITLE,
    ),
    "OperationDefinition": (
        *_CANONICAL,
        reference("base", "base", "OperationDefinition"),
        token("code", "code"),
        reference("input-profile", "inputProfile", _PROFILE),
        boolean("instance", "instance"),
        code("kind", "kind", "operation-kind"),
        reference("output-profile", "outputProfile", _PROFILE),
        boolean("system", "system"),
        _TITLE,
        boolean("type", "type"),
    ),
    "SearchParameter": (
        *_CANONICAL,
        code("base", "base", "resource-types"),
        token("code", "code"),
        reference("component", "component.definition", "SearchParameter"),
        reference("derived-from", "derivedFrom", "SearchParameter"),
        code("target", "target", "resource-types"),
        code("type", "type", "search-param-type"),
    ),
    "StructureDefinition": (
        *_CANONICAL,
        boolean("abstract", "abstract"),
        reference("base", "baseDefinition", _PROFILE),
        token("base-path", "snapshot.element.base.path", "differential.element.base.path"),
        code("derivation", "derivation", "type-derivation-rule"),
        boolean("experimental", "experimental"),
        code("ext-context", "context.type", "extension-context-type"),
        IDENTIFIER,
        token("keyword", "keyword"),
        code("kind", "kind", "structure-definition-kind"),
        token("path", "snapshot.element.path", "differential.element.path"),
        _TITLE,
        uri("type", "type"),
        reference("valueset", "snapshot.element.binding.valueSet", "ValueSet"),
    ),
    "ValueSet": (
        *_CANONICAL,
        token("code", "expansion.contains.code", "compose.include.concept.code"),
        uri("expansion", "expansion.identifier"),
        IDENTIFIER,
        uri("reference", "compose.include.system"),
        _TITLE,
    ),
}

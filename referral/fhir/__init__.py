"""FHIR R4 words and forms: pure functions over content, without storage or network."""

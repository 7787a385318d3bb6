"""The OpenAPI document of the service, made from its routes and registries. https://spec.openapis.org/oas/v3.1.0"""

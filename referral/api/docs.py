"""The OpenAPI document and the page that shows it. https://spec.openapis.org/oas/v3.1.0"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response

from referral import __version__
from referral.api.openapi import schemas
from referral.api.openapi.document import openapi_document
from referral.api.openapi.operations import OPERATIONS, Operation
from referral.api.route import Route
from referral.api.services import services_of

_PATH: Final = "/openapi.json"
_TAG: Final = "Operators"


async def openapi(request: Request) -> Response:
    """This document; made at the first request and kept with the application."""
    state = request.app.state
    if not hasattr(state, "openapi_document"):
        services = services_of(request)
        document = openapi_document(
            request.app.routes,
            _ALL,
            base_url=services.base_url,
            version=__version__,
            media_types=services.attachments.media_types,
        )
        state.openapi_document = orjson.dumps(document)
    return Response(state.openapi_document, media_type=schemas.JSON)


async def docs(_request: Request) -> Response:
    """This document as a page to read and to try, by Swagger UI, which the browser gets from its makers."""
    # Folded: each type of resource is a chapter.
    return get_swagger_ui_html(
        openapi_url=_PATH.removeprefix("/"),
        title="Referral service",
        swagger_favicon_url="data:,",
        swagger_ui_parameters={"docExpansion": "none"},
    )


_ALL: Final[Mapping[Callable[..., Any], Operation]] = {
    **OPERATIONS,
    openapi: Operation("OpenAPI document", {200: schemas.OPENAPI}, tag=_TAG, public=True),
    docs: Operation("OpenAPI as a page", {200: schemas.PAGE}, tag=_TAG, public=True),
}

routes = [Route(_PATH, openapi), Route("/docs", docs)]

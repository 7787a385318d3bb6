"""The OpenAPI document and the page that shows it. https://spec.openapis.org/oas/v3.1.0

The page is Swagger UI (https://swagger.io/tools/swagger-ui/), whose files a package brings: a hospital may
have no Internet.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import distribution
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from referral import __version__
from referral.api.openapi import schemas
from referral.api.openapi.document import openapi_document
from referral.api.openapi.operations import OPERATIONS, Operation
from referral.api.route import Route
from referral.api.services import services_of

_PATH: Final = "/openapi.json"
_TAG: Final = "Operators"
_STYLE: Final = "swagger-ui.css"
_PROGRAM: Final = "swagger-ui-bundle.js"
_TYPES: Final = {_STYLE: "text/css", _PROGRAM: "text/javascript"}
# Addresses as seen from /docs, so that it works below any path of a proxy.
_PAGE: Final = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Referral service</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/{_STYLE}">
</head>
<body>
<div id="page"><a href="openapi.json">openapi.json</a></div>
<script src="docs/{_PROGRAM}"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
# Folded: each type of resource is a chapter. Without the badge of a validator somewhere else.
_START: Final = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  docExpansion: "none",
  validatorUrl: null,
});
"""
# Swagger UI sets styles of elements. What is tried goes to the address that clients use.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self' {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


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


async def docs(request: Request) -> Response:
    """This document as a page to read and to try, by Swagger UI; all of it comes from here."""
    clients = urlsplit(services_of(request).base_url)
    policy, page = _POLICY.format(f"{clients.scheme}://{clients.netloc}"), _PAGE
    if request.url.path.endswith("/"):
        # What it names stands beside `/docs`.
        policy = policy.replace("base-uri 'none'", "base-uri 'self'")
        page = page.replace("<head>", '<head><base href="../">', 1)
    return Response(page, headers={"Content-Security-Policy": policy}, media_type="text/html")


async def page_part(request: Request) -> Response:
    """What the page is made of: its style and its programs."""
    name = request.url.path.rpartition("/")[2]
    if name not in _TYPES:
        return Response(_START, media_type="text/javascript")
    # Found without running anything of the package.
    file = distribution("fastapi-offline").locate_file(f"fastapi_offline/static/{name}")
    headers = {"Cache-Control": "public, max-age=86400"}
    return FileResponse(str(file), headers=headers, media_type=_TYPES[name])


_ALL: Final[Mapping[Callable[..., Any], Operation]] = {
    **OPERATIONS,
    openapi: Operation("OpenAPI document", {200: schemas.OPENAPI}, tag=_TAG, public=True),
    docs: Operation("OpenAPI as a page", {200: schemas.PAGE}, tag=_TAG, public=True),
    page_part: Operation("A part of that page", {200: schemas.PAGE_PART}, tag=_TAG, public=True),
}

routes = [
    Route(_PATH, openapi),
    Route("/docs", docs),
    Route("/docs/", docs),
    *(Route(f"/docs/{name}", page_part) for name in (_STYLE, _PROGRAM, "start.js")),
]

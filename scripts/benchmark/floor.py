"""The floor: what a handler of the same framework costs that does next to nothing.

FastAPI, one worker, the loop and HTTP settings of `referral serve`, an asyncpg pool of the same size. It
reads one row by its id, or inserts one row of jsonb, in a table of its own in the same cluster. It knows no
token, no access rule, no audit and no log line.

Run as `python -m scripts.benchmark.floor DSN PORT`.
"""

import contextlib
import sys
import uuid
from collections.abc import AsyncIterator

import asyncpg
import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response

MEDIA_TYPE = "application/fhir+json"
TABLE = "CREATE TABLE floor (id text PRIMARY KEY, content jsonb NOT NULL)"


def floor(dsn: str) -> FastAPI:
    """The application."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = await asyncpg.create_pool(dsn, min_size=10, max_size=10)
        yield
        await app.state.pool.close()

    app = FastAPI(lifespan=lifespan, redirect_slashes=False)

    @app.get("/floor/{row}")
    async def read(row: str) -> Response:
        found = await app.state.pool.fetchval("SELECT content::text FROM floor WHERE id = $1", row)
        return Response(found, media_type=MEDIA_TYPE)

    @app.post("/floor")
    async def insert(request: Request) -> Response:
        body = (await request.body()).decode()
        await app.state.pool.execute("INSERT INTO floor VALUES ($1, $2)", str(uuid.uuid4()), body)
        return Response(body, 201, media_type=MEDIA_TYPE)

    return app


def main() -> None:
    """Serve until stopped."""
    dsn, port = sys.argv[1:]
    config = uvicorn.Config(
        floor(dsn),
        port=int(port),
        http="httptools",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
    )
    uvloop.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()

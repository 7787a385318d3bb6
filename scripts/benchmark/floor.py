"""The floor: what a handler of the same framework costs that does next to nothing.

FastAPI, one worker, the loop and HTTP settings of `referral serve`, an asyncpg pool of the same size. It
reads one row by its id, or inserts one row of jsonb, in a table of its own in the same cluster. It knows no
token, no access rule, no audit and no log line. Beside `suggest` it runs a bare Dijkstra over the same roads,
cut at the same limit; with paths, as an answer says how one gets there.

Run as `python -m scripts.benchmark.floor DSN PORT FACILITIES`, how many the country has.
"""

import contextlib
import sys
import uuid
from collections.abc import AsyncIterator

import asyncpg
import networkx as nx
import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response

from scripts.benchmark.country import LIMIT_MINUTES, country, road_graph

MEDIA_TYPE = "application/fhir+json"
TABLE = "CREATE TABLE floor (id text PRIMARY KEY, content jsonb NOT NULL)"


async def _keep(_connection: object) -> None:
    pass


def floor(dsn: str, graph: "nx.DiGraph[int]") -> FastAPI:
    """The application."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Nothing is reset on release: the service does not either, and it would be one message more.
        app.state.pool = await asyncpg.create_pool(dsn, min_size=10, max_size=10, reset=_keep)
        yield
        await app.state.pool.close()

    app = FastAPI(lifespan=lifespan, redirect_slashes=False)

    @app.get("/floor/{row}")
    async def read(row: str) -> Response:
        found = await app.state.pool.fetchval("SELECT content::text FROM floor WHERE id = $1", row)
        return Response(found, media_type=MEDIA_TYPE)

    @app.get("/floor/roads/{origin}")
    async def roads(origin: int) -> Response:
        minutes, _ = nx.single_source_dijkstra(graph, origin, cutoff=LIMIT_MINUTES, weight="minutes")
        return Response(b'{"reached": %d}' % len(minutes), media_type=MEDIA_TYPE)

    @app.post("/floor")
    async def insert(request: Request) -> Response:
        body = (await request.body()).decode()
        await app.state.pool.execute("INSERT INTO floor VALUES ($1, $2)", str(uuid.uuid4()), body)
        return Response(body, 201, media_type=MEDIA_TYPE)

    return app


def main() -> None:
    """Serve until stopped."""
    dsn, port, facilities = sys.argv[1:]
    graph = road_graph(country(int(facilities)))
    config = uvicorn.Config(
        floor(dsn, graph),
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

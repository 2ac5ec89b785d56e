"""The addresses of a server, and how errors are told."""

import asyncio
import time
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import ClientDisconnect

from snnet_lightning.serve.page import page
from snnet_lightning.serve.requests import RequestError

if TYPE_CHECKING:
    from snnet_lightning.serve.server import StitchServer


def add_routes(app: FastAPI, server: "StitchServer") -> None:
    """Answer at these addresses, and no others."""

    @app.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> JSONResponse:
        server.activity.refused(error.status)
        # What is left of a body that is too large is not waited for.
        return JSONResponse(
            {"error": error.why}, error.status, {"Connection": "close"} if error.status == 413 else None
        )

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # which nobody hears

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        server.activity.refused(500)
        return JSONResponse({"error": "an error of the server, which prints more of it"}, 500)

    @app.exception_handler(404)
    async def unknown(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "there are /, /predict, /stitches, /health, /metrics and /recent"}, 404)

    @app.exception_handler(405)
    async def wrong_method(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "images are sent to /predict by POST; all else is asked for by GET"}, 405)

    shown = page(server.table, server.serving.slo_ms)

    @app.get("/")
    async def root() -> HTMLResponse:
        return HTMLResponse(shown)

    @app.post("/predict")
    async def predict(request: Request) -> JSONResponse:
        return JSONResponse(await server.predict(request))

    @app.get("/stitches")
    async def stitches() -> JSONResponse:
        return JSONResponse({"slo_ms": server.serving.slo_ms, "stitches": server.table.as_data()})

    @app.get("/health")
    async def health() -> JSONResponse:
        return JSONResponse(*await asyncio.to_thread(server.health))

    @app.get("/metrics")
    async def metrics() -> Response:
        server.activity.waiting.set(len(server.response_buffer))
        server.activity.restarts.set(server.restarts.value)
        return Response(server.activity.exposed(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/recent")
    async def recent() -> JSONResponse:
        seconds = server.activity.recent()
        return JSONResponse({"now": int(time.time()), "waiting": len(server.response_buffer), "seconds": seconds})

"""POST /predict past FastAPI, whose way to a route takes as long as all that this route does.

It is a route like the others, in routes.py, from where /openapi.json has it. Here its function is
called by the path alone, after the same check of the key and with the same answers to errors.
"""

from fastapi import FastAPI, Request
from starlette.types import Receive, Scope, Send

from .access import Access
from .routes import HANDLERS, predict
from .traffic import PREDICT, prediction_route


class Direct:
    def __init__(self, app: FastAPI, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or prediction_route(scope) != PREDICT:
            await self._app(scope, receive, send)
            return
        request = Request({**scope, "app": self._app}, receive)
        try:
            await self._access.check(request)
            response = await predict(request)
        except tuple(HANDLERS) as error:
            response = await HANDLERS[type(error)](request, error)
        await response(scope, receive, send)

"""Who may ask for predictions: everybody, or those who know the API key."""

import hmac
from typing import Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import SecretStr

from ..errors import ProjectError

# They tell OpenAPI how the key is sent.
SCHEMES = (APIKeyHeader(name="x-api-key", auto_error=False), HTTPBearer(auto_error=False))


class Unauthorised(Exception):
    """The request does not carry the API key."""

    def __init__(self) -> None:
        super().__init__("send the API key as x-api-key, or as authorization: Bearer")


class Access:
    """Raises ProjectError if the key is empty; None lets everybody in."""

    def __init__(self, key: SecretStr | None) -> None:
        self._key = None if key is None else key.get_secret_value().strip().encode()
        if self._key == b"":
            raise ProjectError("API_KEY is empty: give it a value, or do not set it at all")

    async def check(self, request: Request) -> None:
        """Raise Unauthorised for a request without the key."""
        if self._key is None:
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = request.headers.get("x-api-key") or (token if scheme.lower() == "bearer" else "")
        # Headers are bytes, which were read as Latin-1.
        if not hmac.compare_digest(given.encode("latin-1"), self._key):
            raise Unauthorised

    def guards(self) -> list[Any]:
        """The dependencies of the routes that need the key."""
        if self._key is None:
            return []
        return [*(Security(scheme) for scheme in SCHEMES), Depends(self.check)]

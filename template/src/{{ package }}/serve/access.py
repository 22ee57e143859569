"""Who may ask for predictions: everybody, or those who know the API key."""

import hmac
from typing import Annotated, Any

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from ..errors import ProjectError

HEADER = APIKeyHeader(name="x-api-key", auto_error=False)
BEARER = HTTPBearer(auto_error=False)


class Unauthorised(Exception):
    """The request does not carry the API key."""

    def __init__(self) -> None:
        super().__init__("send the API key as x-api-key, or as authorization: Bearer")


def guards(key: SecretStr | None) -> list[Any]:
    """The dependencies of the routes that need the key; raise ProjectError if it is empty."""
    if key is None:
        return []
    expected = key.get_secret_value().strip().encode()
    if not expected:
        raise ProjectError("API_KEY is empty: give it a value, or do not set it at all")

    async def check(
        header: Annotated[str | None, Security(HEADER)],
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
    ) -> None:
        given = header or (bearer.credentials if bearer else "")
        # Headers are bytes, which were read as Latin-1.
        if not hmac.compare_digest(given.encode("latin-1"), expected):
            raise Unauthorised

    return [Depends(check)]

"""A JSON API as params.yaml describes it: requests that are allowed in, and its pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self

import httpx
from pydantic import Field, model_validator

from .. import web
from . import Options as BaseOptions
from . import SourceError, hidden, json_rows, secret

Row = dict[str, Any]


class Options(BaseOptions):
    """Where the rows are: at the path ``records`` in each answer; and how to get all and new ones.

    ``pages`` says how a page leads to the next: by the Link header, by what the answer has at the
    path ``cursor_field`` (a URL, or a value for ``cursor_param``), or by counting ``page_param`` up
    until a page is empty. With ``since_field`` and ``since_param`` rows are only asked for from the
    largest value of that field on.
    """

    kind: Literal["rest"]
    url: str
    params: dict[str, str | int | float] = Field(default_factory=dict)
    records: str = ""
    token_from: str | None = None
    auth_header: str = "Authorization"
    auth_scheme: str = "Bearer"
    pages: Literal["link", "cursor", "number"] | None = None
    cursor_field: str = ""
    cursor_param: str | None = None
    page_param: str = "page"
    first_page: int = 1
    since_field: str | None = None
    since_param: str = "since"
    write_rows: int = 500

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ValueError(f"url is none: {error}") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("url must begin with https:// (or http://) and a host")
        if url.userinfo:
            raise ValueError("url must not hold a password: token_from names a variable for it")
        if self.pages == "cursor" and not self.cursor_field:
            raise ValueError("pages: cursor needs cursor_field")
        return self


@contextmanager
def client(options: Options) -> Iterator[httpx.Client]:
    """A client that shows the token, and to no other host: it follows no redirect."""
    headers = {"Accept": "application/json"}
    if token := _token(options):
        if not token.isascii() or not token.isprintable():
            raise SourceError(f"{options.token_from} has characters that no HTTP header can have")
        headers[options.auth_header] = f"{options.auth_scheme} {token}".strip()
    with httpx.Client(headers=headers, timeout=web.TIMEOUT) as http:
        yield http


def _token(options: Options) -> str:
    return secret(options.token_from).strip() if options.token_from else ""


def ask(
    options: Options, http: httpx.Client, request: httpx.Request
) -> tuple[httpx.Response, bytes]:
    """The answer to a request and its content; raise SourceError."""
    try:
        return web.send(http, request)
    except web.WebError as error:
        said = hidden(error, _token(options))[:300]
        if error.status in (401, 403):
            said += f"; is {options.token_from or 'token_from'} right?"
        elif error.status in (301, 302, 303, 307, 308):
            said += "; set url to where that leads, or is the token refused?"
        raise SourceError(f"{options.url} {said}") from None


def pages(options: Options, since: dict[str, Any]) -> Iterator[list[Row]]:
    """The rows of each page that has any."""
    params = {**options.params, **since}
    if options.pages == "number":
        params[options.page_param] = options.first_page
    with client(options) as http:
        following: httpx.URL | None = httpx.URL(options.url).copy_merge_params(params)
        asked = set()
        before: list[Row] = []
        while following is not None:
            asked.add(following)
            request = http.build_request("GET", following)
            answer, content = ask(options, http, request)
            document = _parsed(options, content)
            rows = _rows(options, document)
            if rows:
                yield rows
            following = _following(options, request.url, rows, answer, document)
            if following in asked or (options.pages == "number" and rows and rows == before):
                raise SourceError(f"{options.url} gives a page again: is `pages` right?")
            before = rows


def _parsed(options: Options, content: bytes) -> Any:
    try:
        return json_rows.parse(content)
    except ValueError as error:
        raise SourceError(f"{options.url} answers what is {error}") from None


def _rows(options: Options, document: Any) -> list[Row]:
    rows = _at(document, options.records)
    if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
        return rows
    found = f"keys {', '.join(document)}" if isinstance(document, dict) else "no keys"
    raise SourceError(
        f"{options.url} has no list of objects at records: {options.records!r} (its answer has "
        f"{found[:200]})"
    )


def _at(document: Any, path: str) -> Any:
    """What a document has at a path of keys with dots between; None for nothing."""
    for key in filter(None, path.split(".")):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _following(
    options: Options, url: httpx.URL, rows: list[Row], answer: httpx.Response, document: Any
) -> httpx.URL | None:
    """Where the next page is, if there is one."""
    if options.pages == "number":
        number = int(url.params[options.page_param]) + 1
        return url.copy_set_param(options.page_param, number) if rows else None
    if options.pages == "link":
        target = answer.links.get("next", {}).get("url")
    else:
        target = _at(document, options.cursor_field) if options.pages == "cursor" else None
    if not target:
        return None
    if options.pages == "cursor" and options.cursor_param:
        return url.copy_set_param(options.cursor_param, target)
    try:
        following = url.join(str(target))
    except httpx.InvalidURL as error:
        raise SourceError(f"{options.url} names a next page that is no URL: {error}") from None
    if (following.scheme, following.netloc) != (url.scheme, url.netloc):
        raise SourceError(
            f"{options.url} goes on at {following.host}, which must not be shown the token: set url"
        )
    return following

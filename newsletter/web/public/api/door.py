"""The door of the API: who comes in, what may be brought along, and how a no is said; before anything else is read."""

import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Send
from starlette.types import Scope as Asked

from newsletter.errors import (
    AccessRefusedError,
    AddressError,
    AudienceError,
    DatabaseUnavailableError,
    ExpressionError,
    ListNotFoundError,
    MailingNotFoundError,
    NewsletterError,
    SubscriberNotFoundError,
    TooManyAttemptsError,
    UsageError,
)
from newsletter.programs.access_tokens import Scope, Visitor
from newsletter.web.public.site import NO_STORE, Site

SCHEME: Final = "token"
"""The name of the way to come in, in the description."""

DEEPEST: Final = 8
"""How deep lists and objects may stand in one another in what is sent."""

_CHALLENGE: Final = 'Bearer realm="newsletter"'
_Answer = Callable[[Request], Coroutine[Any, Any, Response]]


class Detail(BaseModel):
    """One thing that is wrong with a request."""

    where: list[str | int] = Field(description="The way to it: query, path or body, then names and places.")
    what: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """Why a request was not done."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"error": "There is no subscriber 7."}]})

    error: str = Field(description="A sentence for people.")
    details: list[Detail] = Field(
        default=[], description="If the request cannot be understood: everything wrong in it."
    )


_SAID: Final = {
    400: "The request cannot be understood at all.",
    401: "There is no token, or it is wrong, has expired or was revoked.",
    403: "The token lacks the scope that the error names.",
    404: "There is no such thing.",
    409: "It cannot be done as things stand; the error says why.",
    413: "The request has more than 64 kB.",
    415: "What is sent is not application/json.",
    422: "The request cannot be understood; details say where.",
    429: "Too much of it lately; the header Retry-After says for how many seconds to wait.",
    503: "The database is busy; the header Retry-After says for how many seconds to wait.",
}
_A_PROBLEM: Final = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
"""By name, since making a model for each answer of each route takes longer than all else at the start."""
_ALWAYS: Final = (401, 403, 413, 422, 429, 503)
_WITH_BODY: Final = (415,)


def needs(scope: Scope, *also: int) -> dict[str, Any]:
    """What a route is declared with, so that its door and its description say the same.

    Args:
        scope: What the token must be good for.
        also: Statuses that it may answer with, beside those that all do.
    """
    statuses = sorted({*_ALWAYS, *also})
    return {
        "openapi_extra": {"security": [{SCHEME: [str(scope)]}]},
        "responses": {status: {"description": _SAID[status], "content": _A_PROBLEM} for status in statuses},
    }


def needs_body(scope: Scope, *also: int) -> dict[str, Any]:
    """The same for a route that something is sent to."""
    return needs(scope, *_WITH_BODY, *also)


def visitor_of(request: Request) -> Visitor:
    """The program that was let in."""
    visitor: Visitor = request.state.visitor
    return visitor


def problem(status: int, error: str, **headers: str) -> JSONResponse:
    """A no, as every no looks."""
    return JSONResponse({"error": error}, status, {**NO_STORE, **headers})


def door_of(site: Site) -> type[APIRoute]:
    """The class of the API's routes."""
    ways: dict[str, set[str]] = {}

    class Door(APIRoute):
        """A route behind the door."""

        def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
            super().__init__(path, endpoint, **options)
            ways.setdefault(self.path_format, set()).update(self.methods or ())

        async def handle(self, scope: Asked, receive: Receive, send: Send) -> None:
            """Answer, or say all that can be done here (RFC 9110 section 15.5.6)."""
            if scope["method"] not in (self.methods or ()):
                raise HTTPException(405, headers={"Allow": ", ".join(sorted(ways[self.path_format]))})
            await super().handle(scope, receive, send)

        def get_route_handler(self) -> _Answer:
            """What answers a request: the door, then the route."""
            inside = super().get_route_handler()
            scope = self.openapi_extra["security"][0][SCHEME][0] if self.openapi_extra else ""
            takes_body = self.body_field is not None

            async def answer(request: Request) -> Response:
                refused = await run_in_threadpool(_let_in, site, request, scope)
                if refused is None:
                    refused = _read_query(request)
                if refused is None and takes_body:
                    refused = await _read_body(request)
                return refused or await _answered(inside(request))

            return answer

    return Door


def _let_in(site: Site, request: Request, scope: str) -> Response | None:
    """See the token; the answer, if it is no."""
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    challenge = {"WWW-Authenticate": _CHALLENGE}
    if scheme.lower() != "bearer":
        return problem(401, "Come with a token:  Authorization: Bearer nl_…", **challenge)
    try:
        visitor = site.newsletter.access.admit(presented.strip(), network=site.network(request))
    except AccessRefusedError as error:
        return problem(401, str(error), **{"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'})
    except TooManyAttemptsError as error:
        return problem(429, str(error), **{"Retry-After": str(error.wait)})
    except DatabaseUnavailableError:
        return _busy()
    if scope not in visitor.scopes:
        lacking = {"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'}
        return problem(403, f"This token lacks the scope {scope}.", **lacking)
    request.state.visitor = visitor
    return None


def _read_query(request: Request) -> Response | None:
    """See that no value holds what no database keeps."""
    if any("\0" in name or "\0" in value for name, value in request.query_params.multi_items()):
        return _not_understood([{"where": ["query"], "what": "A value holds the character NUL."}])
    return None


async def _read_body(request: Request) -> Response | None:
    """See that what is sent is JSON, not too deep, and of characters that can be kept; the answer, if it is not."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return problem(415, "Send JSON:  Content-Type: application/json")
    try:
        raw = await request.body()
    except ClientDisconnect:  # the shell reads no further than a request may be long
        return problem(413, "That is too long.")
    try:
        sent = json.loads(raw.decode("utf-8"), parse_constant=_no_number)
        wrong = _wrong_in(sent)
    except (ValueError, RecursionError):
        wrong = "This is not JSON (RFC 8259) in UTF-8."
    return None if wrong is None else _not_understood([{"where": ["body"], "what": wrong}])


def _no_number(name: str) -> object:
    raise ValueError(name)


def _wrong_in(value: object, depth: int = 1) -> str | None:
    """What is wrong with a value whatever it is for."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            return "A text holds NUL, or half of a character."
        return None
    if not isinstance(value, (dict, list)):
        return None
    if depth > DEEPEST:
        return f"Lists and objects stand more than {DEEPEST} deep in one another."
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    return next((wrong for part in parts if (wrong := _wrong_in(part, depth + 1)) is not None), None)


async def _answered(inside: Awaitable[Response]) -> Response:
    """The route's own answer; or its no, in the words that other programs get."""
    try:
        response = await inside
    except RequestValidationError as error:
        wrong = [{"where": [_shown(part) for part in each["loc"]], "what": each["msg"]} for each in error.errors()]
        return _not_understood(wrong)
    except DatabaseUnavailableError:
        return _busy()
    except TooManyAttemptsError as error:
        return problem(429, str(error), **{"Retry-After": str(error.wait)})
    except NewsletterError as error:
        return _refused(error)
    response.headers.update(NO_STORE)
    return response


def _refused(error: NewsletterError) -> Response:
    if isinstance(error, SubscriberNotFoundError):
        return problem(404, "There is no such subscriber.")  # the error itself speaks to people at the keyboard
    if isinstance(error, MailingNotFoundError):
        return problem(404, "There is no such mailing.")
    if isinstance(error, ListNotFoundError):
        return problem(404, str(error))
    if isinstance(error, AddressError):
        return _not_understood(
            [{"where": ["body", "email"], "what": "That is not an email address that can be mailed."}]
        )
    if isinstance(error, (ExpressionError, UsageError)):
        return _not_understood([{"where": ["query"], "what": str(error)}])
    if isinstance(error, AudienceError):
        return problem(409, str(error))
    raise error


def _not_understood(wrong: list[dict[str, Any]]) -> Response:
    return JSONResponse({"error": "This request cannot be understood.", "details": wrong}, 422, NO_STORE)


def _busy() -> Response:
    return problem(503, "The database is busy. Try again.", **{"Retry-After": "30"})


def _shown(part: object) -> str | int:
    """A step on the way to what is wrong; of a name that they chose, only so much as can be shown."""
    if isinstance(part, int):
        return part
    return "".join(character if character.isprintable() else "�" for character in str(part)[:100])

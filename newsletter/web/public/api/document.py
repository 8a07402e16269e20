"""Describes the API for other programs: OpenAPI 3.1, made of the routes themselves, so that it says what they do."""

from typing import Any, Final

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi

from newsletter import __version__
from newsletter.programs.access_tokens import MEANINGS
from newsletter.web.public.api.door import SCHEME, Problem

_ABOUT: Final = """What other programs ask and change. Come with a token in the header `Authorization: Bearer nl_…`; \
`newsletter tokens create` makes one. What is sent and answered is JSON; a name that is not known is refused. Moments \
are in UTC. Pages go on with `after`, which takes the `next` of the page before. A request that was not done is \
answered with `error`, a sentence for people, and if it could not be understood with `details`."""


def make_document(routes: APIRouter) -> dict[str, Any]:
    """The description of the routes."""
    made = get_openapi(title="Newsletter", version=__version__, description=_ABOUT, routes=routes.routes)
    scopes = "\n".join(f"- `{scope}`: {meaning}" for scope, meaning in MEANINGS.items())
    made["components"]["securitySchemes"] = {
        SCHEME: {"type": "http", "scheme": "bearer", "description": f"A token, good for its scopes:\n\n{scopes}"}
    }
    schemas = made["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which this API does not answer with
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**problem.pop("$defs"), "Problem": problem}
    schemas["DeliveryState"]["description"] = "Where a delivery is."  # the code says more, for those who read it
    for path in made["paths"].values():
        for operation in path.values():
            scope = operation["security"][0][SCHEME][0]
            operation["description"] = f"{operation.get('description', '')}\n\nScope: `{scope}`".strip()
    return made

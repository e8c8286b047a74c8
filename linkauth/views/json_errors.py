"""Error responses as JSON, and which requests get them."""

from __future__ import annotations

from pyramid.response import Response

from linkauth.web.request import Request
from linkauth.web.routes import API_PATHS

RETRY_SECONDS = 10
"""The Retry-After of responses to failures of this server."""


def json_error(request: Request, error: str, description: str, status: int) -> Response:
    """Return an error response in the format of RFC 6749 section 5.2, or in that of IFTTT."""
    if path_of(request).startswith("/ifttt/"):
        return Response(json_body={"errors": [{"message": f"{error}: {description}"}]}, status=status)
    return Response(json_body={"error": error, "error_description": description}, status=status)


def retry_later(response: Response) -> Response:
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def is_api_request(request: Request) -> bool:
    return path_of(request).startswith(API_PATHS)


def path_of(request: Request) -> str:
    path: str = request.environ.get("PATH_INFO", "")
    return path

"""Errors as answers: each kind of ours has a status and a name; anything else is 500 with nothing of its insides.

Flows in: exceptions. Flows out: JSON `{"error": name, "mend": sentence}`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ...twin.sensing.events import EventError
from ..clock import ClockError
from ..consent import ConsentRefused
from ..forecasts import ForecastError
from ..lifecycle import LifecycleError
from ..node import ForeignAsset, NotInView, Overloaded
from ..proposing import ProposalRefused
from ..targets import TargetError
from ..timely import FromTheFuture
from ..writing import ChangedByHand

log = logging.getLogger("tocsin.api")


# A consent that is about something else than it should be, or comes too late, is a conflict; a signer without standing
# is forbidden; what cannot be read is unprocessable.
CONSENT_STATUS: Mapping[str, int] = {
    "malformed": 422,
    "unknown_signer": 403,
    "bad_signature": 403,
    "not_an_approver": 403,
    "wrong_signer": 403,
    "not_an_owner_of_targets": 403,
    "wrong_binding": 409,
    "expired": 409,
    "from_the_future": 409,
}

STATUS: Mapping[type[Exception], tuple[int, str]] = {
    ClientDisconnect: (408, "too_slow"),  # nobody is there to read it; it is no fault of ours either
    NotInView: (404, "not_found"),
    ForeignAsset: (403, "foreign_asset"),
    PermissionError: (403, "not_an_owner_of_targets"),
    Overloaded: (503, "overloaded"),
    EventError: (422, "bad_events"),
    FromTheFuture: (422, "event_from_the_future"),
    TargetError: (422, "bad_target"),
    ClockError: (409, "clock"),
    LifecycleError: (409, "wrong_state"),
    ChangedByHand: (409, "changed_by_hand"),
    ForecastError: (500, "bad_forecast"),
}


def install(app: FastAPI) -> None:
    """Give the application its answers to errors."""
    for kind, (status, name) in STATUS.items():
        app.add_exception_handler(kind, _answer(status, name))
    app.add_exception_handler(ConsentRefused, _consent_refused)
    app.add_exception_handler(ProposalRefused, _proposal_refused)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


def answer(status: int, name: str, mend: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Give the answer to an error."""
    return JSONResponse({"error": name, "mend": mend}, status, headers=dict(headers) if headers else None)


def _answer(status: int, name: str) -> Callable[[Request, Exception], JSONResponse]:
    def handler(_request: Request, error: Exception) -> JSONResponse:
        return answer(status, name, str(error))

    return handler


def _consent_refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ConsentRefused)
    return answer(CONSENT_STATUS.get(error.reason, 403), error.reason, str(error))


def _proposal_refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProposalRefused)
    status = {"unknown_playbook": 422, "wrong_kind": 422, "already_there": 409, "too_many_proposals": 429}.get(
        error.reason, 403
    )
    return answer(status, error.reason, str(error))


def _bad_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    return answer(422, "bad_request", "; ".join(faults[:5]))


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:  # how the framework answers a body that it cannot read, whatever the reason
        return answer(422, "bad_request", "body: not JSON, or nested too deeply; mend it there")
    detail: Any = error.detail
    if isinstance(detail, dict):
        return JSONResponse(detail, error.status_code, headers=error.headers)
    return answer(error.status_code, "http", str(detail), error.headers)


def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    log.error("unforeseen error", exc_info=error, extra={"path": request.url.path})
    return answer(500, "unforeseen", "a fault of the node; its log says more")

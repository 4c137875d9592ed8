"""The page's server: what the browser asks, and what it is told."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from rlkit.errors import UsageError
from rlkit.rewards.answers import Answer, Goal, Pair, Shown
from rlkit.rewards.bulletin import ENDED, STOPPED, TRAINING
from rlkit.rewards.clips import NoPicture, Projectionist, frames_a_second
from rlkit.rewards.desk import Conflict, Desk, UnknownLease
from rlkit.rewards.page import lesson
from rlkit.rewards.page.body import LARGEST_ID, MOST_BYTES, BadRequest, Body, check_annotator
from rlkit.rewards.page.guard import Guard
from rlkit.rewards.store import ComparisonStore

STATIC = Path(__file__).parent / "static"
MOST_LENT = 8  # pairs at once
SIDES = ("left", "right")
CHOICES = (*SIDES, Answer.TIE.value, Answer.CANT_TELL.value)
STALE_S, STALE_NOTES = 60.0, 5  # a trainer that says nothing for so long, or so many times its pace, is not running

Reply = dict[str, Any]


def make_app(desk: Desk, clips: Projectionist, *, token: str | None, port: int, names: tuple[str, ...] = ()) -> Any:
    """The ASGI application.

    Args:
        desk: Lends pairs and takes answers.
        clips: Shows them.
        token: See :class:`Guard`; so are ``port`` and ``names``.
        port: The server's.
        names: Further names of the host.
    """
    page = Page(desk, clips)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        clips.close()

    routes = [
        Route("/", _index),
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/api/clip/{segment:int}", page.clip),
        Route("/api/progress", page.progress_of),
        *(Route(f"/api/{name}", _posted(handler), methods=["POST"]) for name, handler in page.posts().items()),
    ]
    # what has no entry here is a mistake of ours: 500, and the browser keeps the answer and says it again
    handlers = {BadRequest: _error(400), UsageError: _error(400), UnknownLease: _error(404), Conflict: _error(409)}
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={**handlers, sqlite3.Error: _error(503)},
        middleware=[
            Middleware(Guard, token=token, port=port, names=names),
            Middleware(RequestBodyLimitMiddleware, max_body_size=MOST_BYTES),
        ],
    )


class Page:
    """Answers the browser.

    Args:
        desk: Lends pairs and takes answers.
        clips: Shows them.
    """

    def __init__(self, desk: Desk, clips: Projectionist) -> None:
        self._desk, self._clips = desk, clips
        self._store: ComparisonStore = desk.store
        # browsers keep what is unsent under it: the answers of one run never reach another on the same port
        self._run = self._store.once("page", secrets.token_urlsafe(9))

    def posts(self) -> dict[str, Callable[[Body], Reply]]:
        """What may be posted."""
        names = "hello goal lesson explain learned next held answer undo renew release"
        return {name: getattr(self, name) for name in names.split()}

    async def clip(self, request: Request) -> Response:
        """The frames of a segment."""
        segment = int(request.path_params["segment"])
        if segment > LARGEST_ID:
            return JSONResponse({"error": "no such segment"}, 404)
        try:
            data = await self._clips.clip(segment)
        except NoPicture as error:
            return JSONResponse({"error": str(error)}, 404)
        return Response(data, media_type="application/octet-stream")

    async def progress_of(self, request: Request) -> Response:
        """How far the labelling is."""
        annotator = check_annotator(request.query_params.get("annotator", "").strip())
        return JSONResponse(await run_in_threadpool(self._progress, annotator))

    def hello(self, body: Body) -> Reply:
        """All that a browser needs to begin."""
        annotator, header = body.annotator(), self._store.header
        seen = self._store.noted(_lesson_of(annotator)) is not None
        about = {"run": self._run, "env": header.env_id, "fps": frames_a_second(header), "lease_s": self._desk.lease_s}
        return about | {"seen": seen} | self._progress(annotator)

    def goal(self, body: Body) -> Reply:
        """Write the goal; an empty one is refused."""
        goal = Goal(body.text("text"), body.texts("tie_breakers"), body.texts("must_nots"))
        if goal != self._store.goal():
            self._store.set_goal(goal)
        return {"goal": _plain_goal(goal)}

    def lesson(self, body: Body) -> Reply:
        """The examples, with the explanations that there are."""
        explained = {pair: (answer, why) for pair, answer, why in self._store.calibration()}
        found = []
        for pair in lesson.examples(self._store):
            answer, why = explained.get(pair.id, (None, ""))
            choice = None if answer is None else answer.side(pair.swapped) or answer.value
            found.append(_sides(pair, pair.swapped) | {"choice": choice, "why": why})
        return {"examples": found}

    def explain(self, body: Body) -> Reply:
        """Answer an example for all who come after."""
        number, why = body.number("pair"), body.text("why")
        pair = next((pair for pair in lesson.examples(self._store) if pair.id == number), None)
        if pair is None:
            raise BadRequest(f"pair {number} is not an example")
        if not why:
            raise BadRequest("say in a few words why")
        self._store.calibrate(pair.id, _answer(body.choice("choice", CHOICES), pair.swapped), why)
        return {}

    def learned(self, body: Body) -> Reply:
        """Somebody has been through the lesson."""
        self._store.note(_lesson_of(body.annotator()), {"agreed": body.number("agreed", lesson.EXAMPLES)})
        return {}

    def next(self, body: Body) -> Reply:
        """Lend pairs."""
        annotator, count = body.annotator(), body.number("count", MOST_LENT)
        if (why := lesson.ready(self._store)) is not None:
            raise Conflict(why)
        return {"pairs": [_shown(shown) for shown in self._desk.next(annotator, count, body.client())]}

    def held(self, body: Body) -> Reply:
        """Of these leases those that still are this person's: for a page that was loaded again."""
        annotator, asked = body.annotator(), body.texts("leases")
        held = {shown.lease: shown for shown in self._desk.held(annotator)}
        return {"pairs": [_shown(held[lease]) for lease in asked if lease in held]}

    def answer(self, body: Body) -> Reply:
        """Take an answer; it is on the disk when this returns."""
        annotator, lease = body.annotator(), body.text("lease", 64)
        choice = body.choice("choice", (*CHOICES, Answer.SKIP.value))
        shown = self._desk.lent(annotator, lease)
        answer = _answer(choice, shown.swapped)
        return {"answer": self._desk.answer(body.client(), annotator, lease, answer, body.duration_ms())}

    def undo(self, body: Body) -> Reply:
        """Take this person's newest answer back, and lend them the pair again."""
        shown = self._desk.undo(body.client(), body.annotator())
        return {"pair": None if shown is None else _shown(shown)}

    def renew(self, body: Body) -> Reply:
        """Keep pairs for longer; tells which ones others have been asked about meanwhile."""
        annotator, lost = body.annotator(), []
        for lease in body.texts("leases", MOST_LENT, 64):
            try:
                kept = self._desk.renew(annotator, lease)
            except UnknownLease:
                kept = False
            if not kept:
                lost.append(lease)
        return {"lost": lost}

    def release(self, body: Body) -> Reply:
        """Give pairs back."""
        annotator = body.annotator()
        for lease in body.texts("leases", MOST_LENT, 64):
            with contextlib.suppress(UnknownLease):
                self._desk.release(annotator, lease)
        return {}

    def _progress(self, annotator: str) -> Reply:
        goal = self._store.goal()
        progress = dataclasses.asdict(self._store.progress(annotator))
        return {
            "goal": None if goal is None else _plain_goal(goal),
            "ready": lesson.ready(self._store) is None,
            "progress": progress,
            "training": _training(self._store.noted(TRAINING)),
        }


def _posted(handler: Callable[[Body], Reply]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        body = Body(await request.body())
        return JSONResponse(await run_in_threadpool(handler, body))

    return endpoint


def _error(status: int) -> Callable[[Request, Exception], Response]:
    def told(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error.args[0] if error.args else error)}, status)

    return told


async def _index(_: Request) -> Response:
    return FileResponse(STATIC / "index.html")


def _answer(choice: str, swapped: bool) -> Answer:
    return Answer.of_side(choice, swapped) if choice in SIDES else Answer(choice)


def _sides(pair: Pair, swapped: bool) -> Reply:
    left, right = (pair.second, pair.first) if swapped else (pair.first, pair.second)
    return {"pair": pair.id, "left": left, "right": right}


def _shown(shown: Shown) -> Reply:
    """What the browser may know: not whether it is a repeat, which would be answered by heart."""
    return {"lease": shown.lease, **_sides(shown.pair, shown.swapped)}


def _plain_goal(goal: Goal) -> Reply:
    return {"text": goal.text, "tie_breakers": goal.tie_breakers, "must_nots": goal.must_nots, "digest": goal.digest}


def _lesson_of(annotator: str) -> str:
    return f"lesson of {annotator}"


def _training(noted: Any) -> Reply | None:
    """What the trainer says (:class:`~rlkit.rewards.bulletin.Bulletin`), in seconds from now; None: nothing of late."""
    if not isinstance(noted, dict) or "state" not in noted:
        return None
    age_s = max(0.0, time.time() - float(noted["time"]))
    if noted["state"] not in (STOPPED, ENDED) and age_s > max(STALE_S, STALE_NOTES * float(noted["every_s"])):
        return None
    wait_s = noted["next_fit_s"]
    effect_s = None if wait_s is None else max(0.0, float(wait_s) - age_s)
    return {key: noted.get(key) for key in ("state", "starving", "missing", "last_fit")} | {"effect_s": effect_s}

"""Who has no business here learns nothing and changes nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from rewards.page.browser import ORIGIN, TOKEN, Browser, app_of, filled_store, teach
from rlkit.rewards.page.app import STATIC
from rlkit.rewards.page.body import MOST_BYTES
from rlkit.rewards.store import ComparisonStore

PATHS = ["/", "/static/main.js", "/api/progress?annotator=Ada", "/api/clip/1", "/api/nothing", "/nothing"]
HELLO = {"annotator": "Ada"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ComparisonStore]:
    found = filled_store(tmp_path)
    teach(found)
    yield found
    found.close()


@pytest.fixture
def app(store: ComparisonStore) -> Any:
    return app_of(store)


def stranger(app: Any, **headers: str) -> TestClient:
    return TestClient(app, base_url=ORIGIN, headers={"Origin": ORIGIN, **headers})


@pytest.mark.parametrize("cookie", [None, "", "wrong", TOKEN[:-1], TOKEN + "a", "\xe9" * 8])
def test_nothing_without_the_token(app: Any, cookie: str | None) -> None:
    headers = [] if cookie is None else [(b"cookie", f"rlkit-label-8700={cookie}".encode("latin-1"))]
    for path in PATHS:
        response = stranger(app).get(path, headers=headers)
        assert response.status_code == 401
        assert TOKEN not in response.text and "Go far" not in response.text


def test_nothing_is_posted_without_the_token(app: Any, store: ComparisonStore) -> None:
    assert stranger(app).post("/api/goal", json={"text": "mine"}).status_code == 401
    goal = store.goal()
    assert goal is not None and goal.text == "Go far."


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(app: Any) -> None:
    client = stranger(app)
    assert client.get("/?token=wrong").status_code == 403
    assert client.get("/?token=").status_code == 403
    assert not client.cookies
    response = client.get(f"/?token={TOKEN}")
    assert response.status_code == 200
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    assert TOKEN not in response.text
    assert client.get("/").text == (STATIC / "index.html").read_text()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "[", "a b"])
def test_another_name_for_this_server_is_refused(app: Any, host: str) -> None:
    browser = Browser(app)
    for path in (*PATHS, f"/?token={TOKEN}"):
        assert browser.get(path, headers={"Host": host}).status_code == 421
    response = browser.post("/api/hello", json=HELLO, headers={"Host": host, "Origin": f"http://{host}"})
    assert response.status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8700", "localhost:9999", "[::1]:8700", "192.168.1.7", "label.lan:8700"])
def test_names_of_this_computer_are_accepted_whatever_the_port(store: ComparisonStore, host: str) -> None:
    browser = Browser(app_of(store, names=("Label.LAN",)))
    there = {"Host": host, "Origin": f"http://{host}", "Cookie": f"rlkit-label-8700={TOKEN}"}
    assert browser.post("/api/hello", json=HELLO, headers=there).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:8701"},
        {"Origin": "http://localhost:8700"},
        {"Origin": f"{ORIGIN}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_what_another_site_sends_is_refused(app: Any, store: ComparisonStore, headers: dict[str, str]) -> None:
    browser = Browser(app)
    assert browser.post("/api/goal", json={"text": "mine"}, headers=headers).status_code == 403
    goal = store.goal()
    assert goal is not None and goal.text == "Go far."


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_cannot_post(app: Any, kind: str) -> None:
    data = json.dumps(HELLO).encode()
    assert Browser(app).post("/api/hello", content=data, headers={"Content-Type": kind}).status_code == 415


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(app: Any, method: str) -> None:
    for path in PATHS:
        assert Browser(app).request(method, path).status_code == 405


def test_getting_changes_nothing(app: Any) -> None:
    assert Browser(app).get("/api/next").status_code == 405
    assert Browser(app).post("/api/clip/1", json={}).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/..%5capp.py",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/api/clip/../../token",
        "/api/clip/..%2f..%2ftoken",
        "/api/clip/-1",
        "/api/clip/1.clip",
        "/api/clip/٣",
        "/api/clip/99999999999999999999999999",
        "/token",
        "/comparisons.sqlite",
        "/static/",
        "/static",
    ],
)
def test_no_path_leads_to_another_file(app: Any, path: str) -> None:
    response = Browser(app).get(path, follow_redirects=False)
    assert response.status_code in (404, 307), response.text
    assert "import" not in response.text and "root:" not in response.text


def test_every_answer_tells_the_browser_to_be_careful(app: Any) -> None:
    paths = [*PATHS, f"/?token={TOKEN}", "/?token=wrong"]
    for client, path in itertools.product((stranger(app), Browser(app)), paths):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


def test_the_page_needs_nothing_that_its_policy_forbids() -> None:
    for path in STATIC.iterdir():
        text = path.read_text()
        assert "eval(" not in text and "innerHTML" not in text and "https://" not in text
        assert text.count("http://") == text.count("http://www.w3.org/2000/svg"), path
        if path.suffix == ".html":
            assert " style=" not in text and " onclick=" not in text and "<style" not in text
            assert text.count("<script") == text.count('<script type="module" src="/static/')


MALFORMED = [b"", b"{", b"[]", b"null", b'"text"', b"[" * 10_000, b"\xff\xfe", b"1" * 9_999, b"{}", b'{"annotator": 3}']
POSTS = ["hello", "goal", "explain", "learned", "next", "held", "answer", "undo", "renew", "release"]


@pytest.mark.parametrize("what", POSTS)
def test_malformed_bodies_are_refused(app: Any, what: str) -> None:
    browser = Browser(app)
    for data in (*MALFORMED, b'{"annotator": "\\ud800"}', b'{"annotator": "oracle"}', b'{"annotator": "<b>"}'):
        response = browser.post(f"/api/{what}", content=data, headers={"Content-Type": "application/json"})
        assert response.status_code == 400, (data, response.text)
        assert response.json()["error"]


def test_bodies_have_a_size_limit(app: Any) -> None:
    browser = Browser(app)
    assert browser.post("/api/goal", json={"text": "a" * MOST_BYTES}).status_code == 413

    def endless() -> Iterator[bytes]:
        yield from [b" " * 1000] * 1000

    told = browser.post("/api/goal", content=endless(), headers={"Content-Type": "application/json"})
    assert told.status_code == 413


def test_no_websockets(app: Any) -> None:
    with pytest.raises(WebSocketDisconnect), Browser(app).websocket_connect("/"):
        pass


def test_without_a_token_everything_else_is_still_checked(store: ComparisonStore) -> None:
    client = stranger(app_of(store, token=None))
    assert client.get("/").status_code == 200
    assert client.post("/api/hello", json=HELLO).status_code == 200
    assert client.post("/api/hello", json=HELLO, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 421

"""The pages in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from onlooker.web.app import WebSettings, create_app

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser, or a skip that says why."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome")
         if (path := shutil.which(name))),
        None,
    )  # fmt: skip
    if found is None:
        pytest.skip("Chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as runner:
        started = runner.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(filled: Any) -> Iterator[str]:
    """Address of a running server."""
    import uvicorn

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = create_app(filled.folder, WebSettings())
    runner = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not runner.started and time.monotonic() < deadline:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    runner.should_exit = True
    thread.join(15)
    listener.close()


class Watched:
    """A page that remembers its errors and where it asked for things."""

    def __init__(self, page: Any) -> None:
        self.errors: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda line: self.errors.append(line.text) if line.type == "error" else None,
        )
        page.on("request", lambda request: self.asked.append(request.url))


@pytest.fixture
def page(browser: Any, server: str) -> Iterator[Any]:
    """A fresh page; at its end there must be no error, and no request to elsewhere."""
    context = browser.new_context(base_url=server, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    made = context.new_page()
    watched = Watched(made)
    yield made
    context.close()
    assert watched.errors == []
    assert [url for url in watched.asked if not url.startswith((server, "blob:", "data:"))] == []


def current_time(page: Any) -> float:
    return float(page.evaluate("document.getElementById('media').currentTime"))


def box_places(page: Any) -> list[dict[str, float]]:
    """Where the boxes are, as shares of the picture that is shown."""
    return list(page.evaluate(
        """() => {
          const media = document.querySelector("#media, #picture").getBoundingClientRect();
          const source = document.querySelector("#media, #picture");
          const w = source.videoWidth || source.naturalWidth;
          const h = source.videoHeight || source.naturalHeight;
          const k = Math.min(media.width / w, media.height / h);
          const left = media.left + (media.width - w * k) / 2;
          const top = media.top + (media.height - h * k) / 2;
          return [...document.querySelectorAll("#boxes polygon")].map((shape) => {
            const box = shape.getBoundingClientRect();
            return { left: (box.left - left) / (w * k), top: (box.top - top) / (h * k),
                     right: (box.right - left) / (w * k), bottom: (box.bottom - top) / (h * k) };
          });
        }"""
    ))  # fmt: skip


def true_share(filled: Any, client: Any, name: str, q: str) -> dict[str, float]:
    """Where the matching word truly is, as shares of the picture."""
    reply = client.get("/api/search", params={"q": q, "media": filled.ids[name], "kind": "screen"})
    hit = reply.json()["hits"][0]
    (left, top), _, (right, bottom), _ = hit["marked"][0]
    width, height = hit["picture"]["width"], hit["picture"]["height"]
    return {
        "left": left / width, "top": top / height,
        "right": right / width, "bottom": bottom / height,
    }  # fmt: skip


def assert_at(place: dict[str, float], truth: dict[str, float]) -> None:
    # A line drawn around the box is up to two pixels wide.
    for side, share in truth.items():
        assert place[side] == pytest.approx(share, abs=0.01), side


def test_search_from_the_start_page(page: Any) -> None:
    page.goto("/")
    page.keyboard.type("stochastic")  # the box has the focus
    page.keyboard.press("Enter")
    page.wait_for_selector("#hits")
    assert "q=stochastic" in page.url and "kind=" not in page.url
    assert page.locator("#hits mark").first.inner_text() == "Stochastic"
    assert "moment" in page.locator("h1").inner_text()
    assert page.locator("#hits svg.boxes polygon").count() >= 1
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    thumb = page.locator("#hits .thumb img").first
    page.wait_for_function("(image) => image.naturalWidth > 0", arg=thumb.element_handle())


def test_play_from_a_hit(page: Any, filled: Any) -> None:
    page.goto("/?q=stochastic&medium=video")
    page.locator(f'a.hit[href*="{filled.ids["lecture.mp4"]}"]').first.click()
    page.wait_for_selector("#viewer")
    assert "t=8" in page.url
    # It plays from there by itself: somebody came from a hit.
    page.wait_for_function("() => document.getElementById('media').currentTime > 8.2")
    assert not page.evaluate("document.getElementById('media').paused")
    # The frame is really decoded: the slide is dark blue.
    pixel = page.evaluate(
        """() => { const c = document.createElement("canvas"); c.width = 8; c.height = 8;
          const x = c.getContext("2d"); x.drawImage(document.getElementById("media"), 0, 0, 8, 8);
          return [...x.getImageData(6, 6, 1, 1).data]; }"""
    )
    assert pixel[2] > pixel[0] and pixel[2] < 110
    page.keyboard.press("k")
    page.wait_for_function("() => document.getElementById('media').paused")
    current = page.locator('#transcript a[aria-current="true"]')
    page.locator('#tabs a[href="#panel-said"]').click()
    assert "one sample at a time" in current.inner_text()
    assert page.locator('#strip a[aria-current="true"]').get_attribute("data-view") == "2"
    page.locator('#tabs a[href="#panel-seen"]').click()
    lines = page.locator(".seen li.now").all_inner_texts()
    assert lines == ["Stochastic gradient", "One sample at a time"]


def test_boxes_are_where_the_words_are(page: Any, filled: Any, client: Any) -> None:
    for width, height in ((1280, 800), (1100, 420), (700, 1000)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"/m/{filled.ids['lecture.mp4']}?t=8&q=stochastic")
        page.wait_for_function("() => document.getElementById('media').readyState >= 2")
        page.wait_for_selector("#boxes polygon", state="attached")
        truth = true_share(filled, client, "lecture.mp4", "stochastic")
        page.wait_for_function("() => document.getElementById('media').currentTime >= 7.9")
        (place,) = box_places(page)
        assert_at(place, truth)
    page.keyboard.press("b")
    assert not page.locator("#boxes").is_visible()
    page.keyboard.press("b")
    assert page.locator("#boxes").is_visible()
    # Elsewhere there is no hit, and no box.
    page.locator("#strip a").nth(1).click()
    page.wait_for_function("() => document.querySelectorAll('#boxes polygon').length === 0")


def test_seek_bar_marks_and_keys(page: Any, filled: Any) -> None:
    page.goto(f"/m/{filled.ids['lecture.mp4']}?q=step")
    page.wait_for_function("() => document.getElementById('media').readyState >= 1")
    marks = page.locator("#seek .hit-mark")
    starts = [float(marks.nth(i).get_attribute("x") or 0) for i in range(marks.count())]
    assert sorted(round(start) for start in starts) == [round(1000 / 3), round(1000 * 4.1 / 12)]
    page.keyboard.press("n")
    page.wait_for_function("() => Math.abs(document.getElementById('media').currentTime - 4) < 0.2")
    assert page.locator("#hit-count").inner_text() == "1 of 2"
    page.keyboard.press("n")
    page.wait_for_function("() => document.getElementById('media').currentTime >= 4.09")
    page.keyboard.press("p")
    page.keyboard.press("]")
    page.wait_for_function("() => Math.abs(document.getElementById('media').currentTime - 8) < 0.2")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => Math.abs(document.getElementById('media').currentTime - 3) < 0.3")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    box = page.locator("#seek").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    page.wait_for_function("() => Math.abs(document.getElementById('media').currentTime - 9) < 0.2")
    # The player stays where it is, whatever is clicked.
    before = page.locator("#stage").bounding_box()
    page.locator('#tabs a[href="#panel-said"]').click()
    page.locator("#transcript a").first.click()
    page.wait_for_function("() => document.getElementById('media').currentTime < 1")
    assert page.locator("#stage").bounding_box() == before
    assert page.evaluate("scrollY") == 0


def test_filters(page: Any) -> None:
    page.goto("/?q=gradient")
    before = page.locator("#hits .hit").count()
    page.locator(".chip", has_text="said").click()
    page.wait_for_url(re.compile("kind=speech"))
    page.wait_for_selector("#hits")
    assert 0 < page.locator("#hits .hit").count() < before
    assert page.locator('input[value="speech"]').is_checked()
    page.locator(".chip", has_text="recordings").click()
    page.wait_for_url(re.compile("medium=audio"))
    assert "since=" not in page.url  # what is empty does not clutter the address
    page.wait_for_selector("#hits")
    assert page.locator("#hits mark").all_inner_texts() == ["gradient"]
    page.locator("a.clear").click()
    page.wait_for_selector("#hits")
    assert page.locator("#hits .hit").count() == before
    page.keyboard.press("n")
    page.keyboard.press("n")
    assert page.evaluate("document.activeElement.classList.contains('lit')")


def test_photo(page: Any, filled: Any, client: Any) -> None:
    page.goto(f"/m/{filled.ids['sign.png']}?q=parking")
    page.wait_for_function("() => document.getElementById('picture').naturalWidth > 0")
    truth = true_share(filled, client, "sign.png", "parking")
    assert_at(box_places(page)[0], truth)
    width = page.locator("#picture").bounding_box()["width"]
    page.keyboard.press("+")
    assert page.locator("#picture").bounding_box()["width"] == pytest.approx(width * 1.5, rel=0.01)
    assert_at(box_places(page)[0], truth)
    page.keyboard.press("0")
    assert page.locator("#picture").bounding_box()["width"] == pytest.approx(width, rel=0.01)
    page.locator('#tabs a[href="#panel-seen"]').click()
    page.locator(".seen li", has_text="Cul-de-sac").hover()
    page.wait_for_selector("#boxes polygon.lit", state="attached")


def test_document(page: Any, filled: Any, client: Any) -> None:
    page.goto(f"/m/{filled.ids['notes.pdf']}?q=gradient&page=2")
    page.wait_for_function("() => document.getElementById('picture').naturalWidth > 0")
    assert_at(box_places(page)[0], true_share(filled, client, "notes.pdf", "gradient"))
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.getElementById('page-now').textContent === '3'")
    assert "page=3" in page.url
    page.wait_for_function("() => document.getElementById('picture').src.includes('/page/3')")
    page.wait_for_selector("#boxes polygon.marked", state="attached")
    page.keyboard.press("n")
    page.wait_for_function("() => document.getElementById('page-now').textContent === '4'")
    page.locator("#strip a").first.click()
    page.wait_for_function("() => document.getElementById('page-now').textContent === '1'")
    assert page.locator('#strip a[aria-current="true"]').get_attribute("data-view") == "0"


def test_what_the_browser_cannot_play_is_converted(page: Any, filled: Any) -> None:
    for name in ("repack.mkv", "old.avi"):
        page.goto(f"/m/{filled.ids[name]}?t=8&q=stochastic")
        page.locator("#play").click()
        # The clock counts in the recording, whatever piece of it is played.
        page.wait_for_function("() => document.getElementById('clock').textContent === '0:09'")
        assert page.locator("#boxes polygon").count() == 1
        page.locator("#strip a").first.click()
        page.wait_for_function(
            "() => /^0:0[0-3]$/.test(document.getElementById('clock').textContent)"
            " && document.getElementById('media').readyState >= 2"
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_and_dark(browser: Any, server: str, filled: Any, scheme: str) -> None:
    context = browser.new_context(
        base_url=server,
        viewport={"width": 360, "height": 740},
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    page = context.new_page()
    paths = ["/", "/?q=gradient", "/?q=nonsense", "/status", "/api", "/nope"]
    for path in [*paths, *(f"/m/{public_id}?q=gradient" for public_id in filled.ids.values())]:
        page.goto(path)
        wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= room, path
        shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(int(part) for part in re.findall(r"\d+", shade)[:3]) > 380
        assert light == (scheme == "light"), path
        # Text and its background differ enough (WCAG 2.2, 1.4.3).
        for selector in ("h1", "p", ".facts", ".evidence", ".hint", ".lead"):
            for ratio in page.evaluate(CONTRAST, selector):
                assert ratio >= 4.5, (path, selector)
    context.close()


CONTRAST = """(selector) => {
  const parse = (text) => {
    const part = (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    return [part[0] * scale, part[1] * scale, part[2] * scale, part[3] ?? 1];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const behind = (e) => {
    if (!e) return [255, 255, 255, 1];
    const own = parse(getComputedStyle(e).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(e.parentElement));
  };
  const light = (c) => c.slice(0, 3).map((v) => { v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; })
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  return [...document.querySelectorAll(selector)].slice(0, 20).filter((e) => e.offsetParent).map((e) => {
    const below = behind(e);
    const a = light(over(parse(getComputedStyle(e).color), below)), b = light(below);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}"""  # noqa: E501


def test_without_javascript(browser: Any, server: str, filled: Any) -> None:
    context = browser.new_context(base_url=server, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.fill("#q", "stochastic")
    page.locator("#search button[type=submit]").click()
    page.wait_for_selector("#hits")
    page.locator(".chip", has_text="videos").click()
    page.locator("button.no-js").click()
    page.wait_for_url(re.compile("medium=video"))
    page.locator("a.hit").first.click()
    assert (
        "Take one sample at a time." in page.content() or "One sample at a time" in page.content()
    )
    assert page.locator("video").get_attribute("controls") is not None
    context.close()

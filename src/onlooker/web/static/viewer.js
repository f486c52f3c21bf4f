// One medium: player or picture, boxes, hits, transcript. Without it the page still shows all.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const $ = (id) => document.getElementById(id);
  const viewer = $("viewer");
  if (!viewer) return;
  const data = viewer.dataset;
  const timed = data.kind === "video" || data.kind === "audio";
  const stage = $("stage"), screen = $("screen"), boxes = $("boxes"), picture = $("picture");
  const media = $("media");
  const svgNs = "http://www.w3.org/2000/svg";
  const number = (text) => (text === undefined || text === "" ? null : Number(text));
  const clock = (s) => {
    s = Math.floor(Math.max(0, s) + 1e-6);
    const two = (n) => String(n).padStart(2, "0");
    return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`
      : `${Math.floor(s / 60)}:${two(s % 60)}`;
  };
  const on = (id, type, act) => { const item = $(id); if (item) item.addEventListener(type, act); };
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  // -- panels ---------------------------------------------------------------------------------
  const tabs = [...document.querySelectorAll("#tabs a")];
  const panels = tabs.map((tab) => document.querySelector(tab.hash));
  const choose = (index, focus) => {
    tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === index));
      tab.tabIndex = i === index ? 0 : -1;
      panels[i].hidden = i !== index;
    });
    if (focus) tabs[index].focus();
    follow(true);
  };
  $("tabs").setAttribute("role", "tablist");
  tabs.forEach((tab, index) => {
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panels[index].id);
    panels[index].setAttribute("role", "tabpanel");
    tab.addEventListener("click", (event) => { event.preventDefault(); choose(index); });
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        event.preventDefault();
        event.stopPropagation();
        choose((index + step + tabs.length) % tabs.length, true);
      }
    });
  });

  // -- what is listed ---------------------------------------------------------------------------
  const listed = (selector) => [...document.querySelectorAll(selector)].map((item) => ({
    item, start: number(item.dataset.start), end: number(item.dataset.end), view: number(item.dataset.view),
  }));
  const hits = listed("#hit-list a");
  hits.forEach((hit) => { hit.boxes = hit.item.dataset.boxes ? hit.item.dataset.boxes.split(";") : []; });
  const lines = listed("#transcript a").filter((line) => line.start !== null);
  const views = listed("#strip a");
  const seen = listed(".on-view");
  views.now = views.findIndex((view) => view.item.hasAttribute("aria-current"));
  const seenLines = Object.assign(listed(".seen li").filter((line) => line.start !== null), { from: Infinity, until: Infinity });
  const hitViews = new Set(hits.map((hit) => hit.view));
  if (views.length <= 600) views.forEach((view) => view.item.classList.toggle("has-hit", hitViews.has(view.view)));
  const lastBefore = (list, t) => {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle].start <= t) low = middle + 1; else high = middle;
    }
    return low - 1;
  };

  // -- boxes --------------------------------------------------------------------------------------
  const sizes = new Map();   // view → [width, height] that polygons refer to
  const texts = new Map();   // view → its moments with polygons
  let viewsAsked;
  const learnSizes = () => {
    viewsAsked = viewsAsked || fetch(`${data.api}/views`).then((answer) => answer.json()).then((reply) => {
      for (const view of reply.views) sizes.set(view.index, [view.width, view.height]);
    }).catch(() => { viewsAsked = undefined; });
    return viewsAsked;
  };
  const linesOf = async (view) => {
    if (!texts.has(view)) {
      texts.set(view, fetch(`${data.api}/moments?kind=screen&view=${view}`).then((answer) => answer.json())
        .then((reply) => reply.moments).catch(() => { texts.delete(view); return []; }));
    }
    return texts.get(view);
  };
  let current = number(data.view) ?? 0;
  let lit = [], drawn = "";
  let showBoxes = true;
  const polygon = (points, name) => {
    const shape = document.createElementNS(svgNs, "polygon");
    shape.setAttribute("points", points);
    shape.setAttribute("class", name);
    return shape;
  };
  let allLines = [];
  const draw = () => {
    if (!boxes) return;
    const t = timed ? now() : 0;
    // A seek lands on a frame that may begin a little before the moment does.
    const active = hits.filter((hit) => hit.boxes.length && (timed
      ? hit.start - 0.05 <= t && t < Math.max(hit.end, hit.start + 0.5) : hit.view === current));
    const wanted = [
      ...(hits.length ? [] : allLines).map((points) => [points, "quiet"]),
      ...active.flatMap((hit) => hit.boxes.map((points) => [points, "marked"])),
      ...lit.map((points) => [points, "lit"]),
    ];
    const key = wanted.join("|");
    if (key === drawn) return;
    drawn = key;
    boxes.replaceChildren(...wanted.map(([points, name]) => polygon(points, name)));
  };
  const place = () => {
    if (!boxes || !timed) return;
    const source = media || picture;
    const width = source.videoWidth || source.naturalWidth || 16, height = source.videoHeight || source.naturalHeight || 9;
    const [frameWidth, frameHeight] = sizes.get(current) || [width, height];
    const factor = Math.min(screen.clientWidth / width, screen.clientHeight / height);
    boxes.setAttribute("viewBox", `0 0 ${frameWidth} ${frameHeight}`);
    boxes.setAttribute("preserveAspectRatio", "none");
    boxes.style.width = `${width * factor}px`;
    boxes.style.height = `${height * factor}px`;
    boxes.style.left = `${(screen.clientWidth - width * factor) / 2}px`;
    boxes.style.top = `${(screen.clientHeight - height * factor) / 2}px`;
  };
  const showAll = async () => {
    allLines = [];
    if (!hits.length && showBoxes && !timed) {
      const view = current;
      const found = (await linesOf(view)).flatMap((line) => line.polygons.map((points) => points.join(" ")));
      if (view === current) allLines = found;
    }
    draw();
  };
  const toggleBoxes = () => {
    showBoxes = !showBoxes;
    stage.classList.toggle("no-boxes", !showBoxes);
    $("show-boxes").setAttribute("aria-pressed", String(showBoxes));
    showAll();
  };
  on("show-boxes", "click", toggleBoxes);
  for (const list of document.querySelectorAll(".seen")) {
    const view = number(list.closest(".on-view").dataset.view);
    [...list.children].forEach((line, index) => {
      const light = async (zoom) => {
        const found = (await linesOf(view))[index];
        if (!found) return;
        if (timed ? !(found.start_s - 0.05 <= now() && now() < found.end_s) && !zoom : view !== current) return;
        lit = found.polygons.map((points) => points.join(" "));
        draw();
      };
      line.addEventListener("mouseenter", () => light(false));
      line.addEventListener("mouseleave", () => { lit = []; draw(); });
      line.addEventListener("click", async () => {
        const found = (await linesOf(view))[index];
        if (!found) return;
        if (timed) seek(found.start_s, true); else if (view !== current) await showView(view);
        light(true);
        if (!timed && found.polygons.length) frame(found.polygons.flat());
      });
    });
  }

  // -- following --------------------------------------------------------------------------------
  let handled = 0;   // when somebody last scrolled a panel
  panels.forEach((panel) => {
    for (const type of ["wheel", "touchmove", "pointerdown"]) {
      panel.addEventListener(type, () => { handled = performance.now(); }, { passive: true });
    }
  });
  addEventListener("wheel", () => { handled = performance.now(); }, { passive: true });
  const bring = (panel, item, force) => {
    if (!panel || panel.hidden || (!force && performance.now() - handled < 4000)) return;
    if (getComputedStyle(panel).overflowY !== "auto") {
      // The page itself scrolls, below the player that stays at its top.
      if (!media || media.paused) return;
      const box = item.getBoundingClientRect(), edge = stage.getBoundingClientRect().bottom;
      if (box.top < edge + 8 || box.bottom > innerHeight - 40) scrollBy({ top: box.top - edge - 60 });
      return;
    }
    const top = item.getBoundingClientRect().top - panel.getBoundingClientRect().top + panel.scrollTop;
    const inside = top > panel.scrollTop + 40 && top < panel.scrollTop + panel.clientHeight * 0.7;
    if (!inside || force) panel.scrollTo({ top: top - panel.clientHeight * 0.35 });
  };
  const mark = (list, index, panel, force) => {
    const was = list.now;
    if (was === index && !force) return;
    if (was !== undefined && list[was]) list[was].item.removeAttribute("aria-current");
    list.now = index;
    if (index >= 0 && list[index]) {
      list[index].item.setAttribute("aria-current", "true");
      if (panel) bring(panel, list[index].item, force);
    }
  };
  const strip = $("strip");
  const markView = (index) => {
    if (views.now === index) return;
    mark(views, index);
    if (strip && views[index]) {
      const item = views[index].item;
      strip.scrollTo({ left: item.offsetLeft - strip.clientWidth / 2 + item.clientWidth / 2 });
    }
  };
  const follow = (force) => {
    if (!timed) {
      seen.forEach((group) => group.item.classList.toggle("current", group.view === current && seen.length > 1));
      return;
    }
    const t = now() + 0.05;
    const line = lastBefore(lines, t);
    mark(lines, line, $("panel-said"), force);
    const said = $("now-said");
    if (said && captions) {
      const text = line >= 0 && t < lines[line].end + 0.3 ? lines[line].item.querySelector(".words").textContent : "";
      said.textContent = text;
      said.hidden = !text;
    }
    const view = lastBefore(views, t);
    if (view >= 0) {
      markView(view);
      current = views[view].view;
    }
    // A line may stay on over many slides; it is listed once, with the slide it was read on.
    if (t < seenLines.from || t >= seenLines.until || force) {
      seenLines.from = -Infinity;
      seenLines.until = Infinity;
      for (const line of seenLines) {
        for (const edge of [line.start, line.end]) {
          if (edge <= t) seenLines.from = Math.max(seenLines.from, edge);
          else seenLines.until = Math.min(seenLines.until, edge);
        }
        line.item.classList.toggle("now", line.start <= t && t < line.end);
      }
      for (const group of seen) group.item.classList.toggle("current", Boolean(group.item.querySelector(".now")));
      const first = seen.findLast((group) => group.item.classList.contains("current"));
      if (first) bring($("panel-seen"), first.item, force);
    }
    draw();
  };

  // -- time ---------------------------------------------------------------------------------------
  let duration = Number(data.duration);
  let offset = 0;            // where the loaded piece begins in the recording
  let frameTime = number(data.start) ?? 0;   // of the frame viewer
  let wanted = media ? number(data.start) : null;   // a seek that waits for the player to be ready
  let captions = false;
  const now = () => wanted ?? (media ? offset + media.currentTime : frameTime);
  const step = (t) => {
    const share = duration ? clamp(t / duration, 0, 1) : 0;
    if ($("played")) $("played").setAttribute("width", (1000 * share).toFixed(2));
    if ($("knob")) $("knob").style.left = `${100 * share}%`;
    if ($("clock")) $("clock").textContent = clock(t);
    const slider = $("seek");
    if (slider) {
      slider.setAttribute("aria-valuenow", String(Math.floor(t)));
      slider.setAttribute("aria-valuetext", clock(t));
    }
    follow(false);
  };
  const remember = () => {
    const address = new URL(location.href);
    if (timed) address.searchParams.set("t", String(Math.round(now() * 10) / 10));
    history.replaceState(null, "", address);
  };
  const cue = () => {
    stage.classList.remove("jumped");
    void stage.offsetWidth;
    stage.classList.add("jumped");
  };
  let piece = null, pieceAsked = 0;
  const loadPiece = async (t, play) => {
    const turn = ++pieceAsked;
    wanted = t;
    step(t);
    say("Preparing the video …");
    try {
      const answer = await fetch(`${data.api}/piece?start=${t.toFixed(2)}`);
      const reply = await answer.json();
      if (turn !== pieceAsked) return;
      if (!answer.ok) throw new Error(reply.error);
      piece = reply;
      media.src = reply.url;
      media.addEventListener("loadedmetadata", () => {
        if (turn !== pieceAsked) return;
        offset = piece.start_s;
        wanted = null;
        if (piece.ready ? t - offset > 0.1 : t - offset > 2) media.currentTime = t - offset;
        media.playbackRate = Number($("speed").value);
        if (play) media.play().catch(() => {});
        say("");
      }, { once: true });
    } catch (error) {
      wanted = null;
      say(error.message || "This part cannot be played.");
    }
  };
  const seek = (t, jump) => {
    t = clamp(t, 0, duration ? Math.max(0, duration - 0.05) : t);
    if (jump) cue();
    if (!media) {
      frameTime = t;
      if (picture && data.method === "frames") picture.src = `${data.url}/frame?t=${t.toFixed(2)}`;
      step(t);
      remember();
    } else if (data.method === "pieces") {
      const at = t - offset;
      const has = (range) => { for (let i = 0; i < range.length; i++) if (range.start(i) <= at && at < range.end(i)) return true; return false; };
      // While a piece is still being made, only what has arrived can be gone to.
      const inside = piece && wanted === null && t >= offset && t < piece.end_s && (piece.ready || has(media.buffered));
      if (inside) media.currentTime = t - offset; else loadPiece(t, !media.paused || jump);
    } else if (media.readyState > 0) {
      media.currentTime = t;
    } else {
      wanted = t;
    }
    step(t);
  };
  const toggle = () => {
    if (!media) return;
    if (data.method === "pieces" && !piece) { loadPiece(now(), true); return; }
    if (media.paused) media.play().catch((error) => say(error.message)); else media.pause();
  };

  if (timed) {
    learnSizes().then(place);
    new ResizeObserver(place).observe(screen);
    if (media) {
      media.controls = false;
      for (const track of media.textTracks) track.mode = "disabled";
      if (data.method === "pieces") { media.removeAttribute("src"); media.load(); }
      const came = document.referrer.startsWith(location.origin) && data.start !== "";
      const ready = () => {
        place();
        if (data.method !== "direct") return;
        if (Number.isFinite(media.duration) && Math.abs(media.duration - duration) > 1) duration = media.duration;
        const t = wanted ?? number(data.start);
        wanted = null;
        if (t !== null && Math.abs(media.currentTime - t) > 0.05) media.currentTime = t;
        if (came) media.play().catch(() => {});
      };
      if (media.readyState > 0) ready(); else media.addEventListener("loadedmetadata", ready, { once: true });
      media.addEventListener("loadedmetadata", place);
      if (data.method === "pieces" && came) loadPiece(number(data.start), true);
      const playing = () => viewer.classList.toggle("playing", !media.paused);
      media.addEventListener("play", () => { playing(); $("play").setAttribute("aria-label", "Pause"); tick(); });
      media.addEventListener("pause", () => { playing(); $("play").setAttribute("aria-label", "Play"); remember(); });
      media.addEventListener("seeked", () => { step(now()); if (media.paused) remember(); });
      let warmed = 0;
      media.addEventListener("timeupdate", () => {
        step(now());
        // The next piece is begun in time, so that it goes on without a gap.
        if (piece && piece.end_s < duration - 0.5 && piece.end_s - now() < 15 && warmed !== piece.end_s) {
          warmed = piece.end_s;
          fetch(`${data.api}/piece?start=${warmed.toFixed(2)}`).catch(() => {});
        }
      });
      media.addEventListener("ended", () => {
        if (data.method === "pieces" && piece && piece.end_s < duration - 0.5) loadPiece(piece.end_s, true);
      });
      media.addEventListener("error", () => {
        if (media.getAttribute("src")) say("The browser cannot play this part.");
      });
      media.addEventListener("click", toggle);
      const tick = () => {
        if (media.paused) return;
        step(now());
        requestAnimationFrame(tick);
      };
    } else if (picture) {
      picture.addEventListener("load", place);
    }
    on("play", "click", toggle);
    on("speed", "change", (event) => { if (media) media.playbackRate = Number(event.target.value); });
    on("mute", "click", () => {
      if (!media) return;
      media.muted = !media.muted;
      $("mute").setAttribute("aria-pressed", String(media.muted));
    });
    on("captions", "click", () => {
      captions = !captions;
      $("captions").setAttribute("aria-pressed", String(captions));
      if (!captions) $("now-said").hidden = true;
      follow(false);
    });
    on("full", "click", () => {
      if (document.fullscreenElement) document.exitFullscreen(); else stage.requestFullscreen().catch(() => {});
    });
    const bar = $("seek");
    if (bar) {
      const timeAt = (event) => {
        const box = bar.getBoundingClientRect();
        return clamp((event.clientX - box.left) / box.width, 0, 1) * duration;
      };
      let dragging = false;
      bar.addEventListener("pointerdown", (event) => {
        dragging = true;
        bar.setPointerCapture(event.pointerId);
        if (data.method === "direct") seek(timeAt(event)); else step(timeAt(event));
      });
      bar.addEventListener("pointermove", (event) => {
        const hint = $("hint-time"), t = timeAt(event);
        hint.hidden = false;
        hint.textContent = clock(t);
        hint.style.left = `${100 * t / duration}%`;
        if (dragging && data.method === "direct") seek(t);
      });
      bar.addEventListener("pointerleave", () => { $("hint-time").hidden = true; });
      bar.addEventListener("pointerup", (event) => {
        if (dragging) seek(timeAt(event));
        dragging = false;
      });
      bar.addEventListener("keydown", (event) => {
        const to = { Home: 0, End: duration, PageUp: now() - 60, PageDown: now() + 60, ArrowUp: now() + 5, ArrowDown: now() - 5 }[event.key];
        if (to !== undefined) { event.preventDefault(); seek(to); }
      });
    }
  }

  // -- photos and pages ---------------------------------------------------------------------------
  const sheet = $("sheet");
  let scale = 1, x = 0, y = 0;
  const apply = () => {
    if (!sheet) return;
    const width = sheet.offsetWidth, height = sheet.offsetHeight;
    const roomX = (screen.clientWidth - width) / 2, roomY = (screen.clientHeight - height) / 2;
    // The picture may be moved until its edge meets the middle of the screen.
    x = clamp(x, screen.clientWidth / 2 - roomX - width * scale, screen.clientWidth / 2 - roomX);
    y = clamp(y, screen.clientHeight / 2 - roomY - height * scale, screen.clientHeight / 2 - roomY);
    if (scale <= 1.001) { scale = 1; x = 0; y = 0; }
    sheet.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
    screen.classList.toggle("zoomed", scale > 1);
    if (scale > 1.3 && picture && picture.dataset.side === "1600") {
      picture.dataset.side = "3200";
      const large = new Image();
      const address = picture.src.replace("side=1600", "side=3200");
      const view = current;
      large.onload = () => { if (view === current) picture.src = address; };
      large.src = address;
    }
  };
  const zoom = (factor, atX, atY) => {
    const box = sheet.getBoundingClientRect();
    const centre = screen.getBoundingClientRect();
    const px = (atX ?? centre.left + centre.width / 2) - box.left;
    const py = (atY ?? centre.top + centre.height / 2) - box.top;
    const next = clamp(scale * factor, 1, 12);
    x -= px * (next / scale - 1);
    y -= py * (next / scale - 1);
    scale = next;
    apply();
  };
  const fit = () => { scale = 1; x = 0; y = 0; if (sheet) apply(); };
  const frame = (points) => {
    const [width, height] = boxes.getAttribute("viewBox").split(" ").slice(2).map(Number);
    const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
    const shown = sheet.offsetWidth / width;
    const left = Math.min(...xs) * shown, top = Math.min(...ys) * shown;
    const wide = Math.max(1, (Math.max(...xs) - Math.min(...xs)) * shown), high = Math.max(1, (Math.max(...ys) - Math.min(...ys)) * shown);
    scale = clamp(Math.min(screen.clientWidth / wide / 2.2, screen.clientHeight / high / 4), 1, 4);
    const roomX = (screen.clientWidth - sheet.offsetWidth) / 2, roomY = (screen.clientHeight - sheet.offsetHeight) / 2;
    x = screen.clientWidth / 2 - roomX - (left + wide / 2) * scale;
    y = screen.clientHeight / 2 - roomY - (top + high / 2) * scale;
    apply();
  };
  const showView = async (index) => {
    if (index === current || !picture) return;
    await learnSizes();
    const item = views.find((view) => view.view === index);
    if (!item) return;
    current = index;
    const page = views.indexOf(item) + 1;
    const [width, height] = sizes.get(index) || [picture.width, picture.height];
    fit();
    lit = [];
    drawn = "-";
    picture.dataset.side = "1600";
    if (picture.classList.contains("still")) picture.src = item.item.querySelector("img")?.src || picture.src;
    else picture.src = `${data.url}/page/${page}?side=1600`;
    picture.width = width;
    picture.height = height;
    picture.alt = picture.alt.replace(/\d+$/, String(page));
    boxes.setAttribute("viewBox", `0 0 ${width} ${height}`);
    $("page-now").textContent = String(page);
    markView(views.indexOf(item));
    const address = new URL(location.href);
    address.searchParams.set("page", String(page));
    address.searchParams.delete("t");
    history.replaceState(null, "", address);
    follow(true);
    const group = seen.find((part) => part.view === index);
    if (group) bring($("panel-seen"), group.item, true);
    await showAll();
    if (views[page] && !picture.classList.contains("still")) new Image().src = `${data.url}/page/${page + 1}?side=1600`;
  };
  const turn = (by) => {
    const at = views.findIndex((view) => view.view === current);
    const next = views[clamp(at + by, 0, views.length - 1)];
    if (next) { showView(next.view); say(`Page ${views.indexOf(next) + 1} of ${views.length}`); }
  };
  if (sheet) {
    const fingers = new Map();
    let spread = 0, moved = false;
    screen.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0018)), event.clientX, event.clientY);
    }, { passive: false });
    screen.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      screen.setPointerCapture(event.pointerId);
      moved = false;
      spread = 0;
      screen.classList.toggle("panning", scale > 1);
    });
    screen.addEventListener("pointermove", (event) => {
      const last = fingers.get(event.pointerId);
      if (!last) return;
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      if (fingers.size === 2) {
        const [a, b] = [...fingers.values()];
        const wide = Math.hypot(a[0] - b[0], a[1] - b[1]);
        if (spread) zoom(wide / spread, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
        spread = wide;
        moved = true;
      } else {
        if (Math.hypot(event.clientX - last[0], event.clientY - last[1]) > 1) moved = true;
        x += event.clientX - last[0];
        y += event.clientY - last[1];
        if (scale > 1) apply();
      }
    });
    const up = (event) => {
      if (!fingers.delete(event.pointerId)) return;
      screen.classList.remove("panning");
      if (event.type === "pointerup" && !moved) { if (scale > 1) fit(); else zoom(2.5, event.clientX, event.clientY); }
    };
    screen.addEventListener("pointerup", up);
    screen.addEventListener("pointercancel", up);
    on("zoom-in", "click", () => zoom(1.5));
    on("zoom-out", "click", () => zoom(1 / 1.5));
    on("zoom-fit", "click", fit);
    on("page-previous", "click", () => turn(-1));
    on("page-next", "click", () => turn(1));
    addEventListener("resize", apply);
    showAll();
  }

  // -- going to things ------------------------------------------------------------------------------
  const go = (entry) => {
    if (timed && entry.start !== null) seek(entry.start, true);
    else if (!timed && entry.view !== null) { showView(entry.view).then(draw); cue(); }
  };
  let hitAt = -1;
  const toHit = (index) => {
    hitAt = index;
    mark(hits, index, $("panel-hits"), true);
    go(hits[index]);
    $("hit-count").textContent = `${index + 1} of ${hits.length}`;
    say(`Hit ${index + 1} of ${hits.length}`);
  };
  const nextHit = (by) => {
    if (!hits.length) return;
    let from = hitAt;
    if (timed && (from < 0 || Math.abs((hits[from].start ?? 0) - now()) > 3)) {
      from = lastBefore(hits.map((hit) => ({ start: hit.start ?? -1 })), now() + 0.05);
      if (by < 0) from += 1;
    } else if (!timed && (from < 0 || hits[from].view !== current)) {
      from = by > 0 ? hits.findLastIndex((hit) => hit.view <= current) : hits.findIndex((hit) => hit.view >= current);
    }
    toHit((from + by + 2 * hits.length) % hits.length);
  };
  on("hit-next", "click", () => nextHit(1));
  on("hit-previous", "click", () => nextHit(-1));
  const clickable = [...hits, ...lines, ...views, ...listed(".on-view h3 a")];
  for (const entry of clickable) {
    entry.item.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      if (timed ? entry.start === null || (!media && data.method !== "frames") : entry.view === null) return;
      event.preventDefault();
      if (hits.includes(entry)) toHit(hits.indexOf(entry)); else go(entry);
    });
  }
  const link = () => {
    const address = new URL(data.url, location.href);
    if (timed) address.searchParams.set("t", String(Math.round(now() * 10) / 10));
    else if (views.length > 1) address.searchParams.set("page", String(views.findIndex((v) => v.view === current) + 1));
    if (data.q) address.searchParams.set("q", data.q);
    return address.href;
  };
  const copy = async () => {
    const address = link();
    try {
      await navigator.clipboard.writeText(address);
      say("Link copied");
    } catch {
      // Without https, browsers only copy what is selected.
      const field = document.createElement("input");
      field.value = address;
      document.body.append(field);
      field.select();
      say(document.execCommand("copy") ? "Link copied" : address);
      field.remove();
    }
  };
  on("copy", "click", copy);

  const press = (id) => $(id) && $(id).click();
  const speed = (by) => {
    const choice = $("speed");
    if (!choice) return;
    choice.selectedIndex = clamp(choice.selectedIndex + by, 0, choice.options.length - 1);
    choice.dispatchEvent(new Event("change"));
    say(`Speed ${choice.value}×`);
  };
  const toView = (by) => {
    if (!views.length) return;
    const at = lastBefore(views, now() + 0.05);
    // Going back within a slide first goes to its beginning.
    const back = by < 0 && at >= 0 && now() - views[at].start > 2 ? at : at + by;
    const next = views[clamp(back, 0, views.length - 1)];
    if (next) seek(next.start, true);
  };
  const keys = timed ? {
    " ": toggle, k: toggle, ArrowLeft: () => seek(now() - 5), ArrowRight: () => seek(now() + 5),
    j: () => seek(now() - 15), l: () => seek(now() + 15), "[": () => toView(-1), "]": () => toView(1),
    m: () => press("mute"), c: () => press("captions"), f: () => press("full"), "-": () => speed(-1), "+": () => speed(1), "=": () => speed(1),
  } : {
    ArrowLeft: () => turn(-1), ArrowRight: () => turn(1), PageUp: () => turn(-1), PageDown: () => turn(1),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: fit,
  };
  Object.assign(keys, {
    n: () => nextHit(1), p: () => nextHit(-1), b: () => press("show-boxes"), y: copy,
    ".": () => press("file-next"), ",": () => press("file-previous"),
  });
  document.addEventListener("keydown", (event) => {
    if (window.typing(event) || event.shiftKey && event.key !== "+") return;
    // Space and Enter on a button or link are its own.
    if (event.key === " " && event.target.closest("button, a, summary")) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  const first = location.hash ? panels.findIndex((panel) => `#${panel.id}` === location.hash) : -1;
  const usual = [hits.length && "panel-hits", lines.length && "panel-said", seen.length && "panel-seen", "panel-about"].find(Boolean);
  choose(first >= 0 ? first : Math.max(0, panels.findIndex((panel) => panel.id === usual)));
  if (timed) step(now());
  const timedHit = () => {
    const exact = hits.findIndex((hit) => hit.start !== null && Math.abs(hit.start - now()) < 0.06);
    return exact >= 0 ? exact : hits.findLastIndex((hit) => hit.start !== null && hit.start <= now() && now() < hit.end);
  };
  const opened = timed ? timedHit() : hits.findIndex((hit) => hit.view === current);
  if (opened >= 0 && (data.start !== "" || !timed)) {
    hitAt = opened;
    mark(hits, opened, $("panel-hits"), true);
    $("hit-count").textContent = `${opened + 1} of ${hits.length}`;
  }
});

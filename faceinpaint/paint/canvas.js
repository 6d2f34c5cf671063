// The canvas on which damage is painted: a notebook's widget, and all of the page but its connection. A stroke is drawn
// here at once; Python, told of it, answers with the mask as it is now, and with the restored face.
// Points are [x, y] in the photo's pixels, the centre of the first at [0, 0]; boxes are [left, top, width, height].

const STEP = 1.15; // the brush grows and the photo comes closer by this factor
const MAX_ZOOM = 16; // CSS pixels for one of the photo
const REACH = 14; // CSS pixels around an eye, in which it is taken hold of
const BEYOND = 0.49; // of the photo: how far outside of it an eye may lie
const STILL = 4; // CSS pixels: who moves less has clicked
const MAX_SIDE = 2000; // points of a stroke; a longer one goes on as the next
const SPARE = 1 / 16; // of the brush: points of a stroke that lie closer show nothing
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HINTS = {
  paint: "Paint over the damage, a little beyond its edge. The restored face follows.",
  erase: "Rub out what was painted too much.",
  eyes: "Click the middle of both eyes of the face, or where they were. Drag an eye to move it, beyond a torn edge too.",
};

// What each button says, the keys that do the same, and what that is, unless Python does it.
const BUTTONS = {
  paint: ["Paint", "p", (canvas) => canvas.choose("paint")],
  erase: ["Erase", "x", (canvas) => canvas.choose(canvas.tool === "erase" ? "paint" : "erase")],
  eyes: ["Mark eyes", "e", (canvas) => canvas.choose("eyes")],
  find: ["Find eyes", "m"],
  forget: ["Forget eyes", "f", (canvas) => canvas.send("mark", { eyes: [] })],
  smaller: ["Smaller brush", "[ ,", (canvas) => canvas.resize(-1)],
  bigger: ["Bigger brush", "] .", (canvas) => canvas.resize(1)],
  undo: ["Undo", "u Control+z"],
  redo: ["Redo", "r Control+y Control+Shift+z"],
  clear: ["Clear all", "c"],
  closer: ["Zoom in", "+ =", (canvas) => canvas.zoomBy(STEP ** 2)],
  farther: ["Zoom out", "-", (canvas) => canvas.zoomBy(STEP ** -2)],
  whole: ["Whole photo", "0", (canvas) => canvas.zoomBy(0)],
  load: ["Load saved mask", "l"],
  save: ["Save", "s Control+s"],
  close: ["Save and end", "q"],
};
const button = ([name, [words, keys]]) =>
  `<button type="button" data-do="${name}" aria-keyshortcuts="${keys}">${words} <kbd>${keys[0]}</kbd></button>`;
const panel = (title, words) => `
  <figure>
    <figcaption>${title}</figcaption>
    <div class="panel" tabindex="0" role="application" aria-label="${words}">
      <div class="sheet"><img alt=""><canvas></canvas><div class="eyes"></div><i class="ring"></i></div>
    </div>
  </figure>`;
const PARTS = `
  <div class="tools" role="toolbar" aria-label="Tools">${Object.entries(BUTTONS).map(button).join("")}</div>
  <p class="say" role="status"></p>
  <div class="panels">
    ${panel("The photo: paint here", "The photo. Arrow keys move the brush, Enter puts it down and lifts it.")}
    ${panel(`Restored <label>wipe to the photo <input class="wipe" type="range" value="0"></label>`, "Restored")}
  </div>
  <p class="facts"></p>
  <div class="notice" role="alert"></div>`;

const clip = (value, least, most) => Math.min(Math.max(value, least), most);
const between = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1]);

class Canvas {
  constructor(model, root) {
    root.classList.add("faceinpaint");
    root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own keys
    root.innerHTML = PARTS;
    Object.assign(this, { model, root, size: [1, 1], brush: 1, zoom: 1, eyes: [], hole: 0, count: 0, held: null });
    this.panels = [...root.querySelectorAll(".panel")];
    [this.mask, this.restored] = [...root.querySelectorAll("canvas")].map((canvas) => canvas.getContext("2d"));
    this.pointers = new Map(); // [x, y] of each that is pressed, in CSS pixels
    this.pending = []; // what was asked of Python, in order, and is not confirmed
    this.heard = Promise.resolve();
    model.on("msg:custom", (news) => {
      this.heard = this.heard.then(() => this.hear(news)).catch(console.error); // in the order in which it came
    });
    const hands = ["pointerdown", "pointermove", "lostpointercapture", "mousedown", "contextmenu", "wheel"];
    for (const panel of this.panels) {
      for (const type of hands) panel.addEventListener(type, this, { passive: false });
    }
    for (const type of ["click", "input", "keydown", "keyup"]) root.addEventListener(type, this);
    addEventListener("pagehide", () => this.drop());
    addEventListener("blur", () => (this.space = false)); // it may be let go elsewhere
    this.choose("eyes");
    this.model.send({ do: "show" });
  }

  handleEvent(event) { this[event.type](event); } // each has a method of its name
  find(selector) { return this.root.querySelector(selector); }
  button(name) { return this.find(`[data-do=${name}]`); }
  style(name, value) { this.root.style.setProperty(name, value); }
  send(action, more) {
    const asked = { do: action, ...more, id: ++this.count };
    this.pending.push(asked);
    this.model.send(asked);
  }
  notice(words) { this.find(".notice").textContent = words; }

  // What Python tells.
  async hear(news) {
    if (news.connected) {
      this.model.send({ do: "show", photo: !this.known });
      for (const asked of this.pending) this.model.send(asked);
    }
    if (news.photo) this.open(news);
    if (news.done) this.pending = this.pending.filter((asked) => asked.id > news.done);
    if (news.mask) await this.take(this.mask, news.mask);
    if (news.patch) await this.take(this.restored, news.patch);
    if (news.eyes) this.takeState(news);
    if (news.say) this.say(news.say);
    if (news.busy) this.notice("Another tab is at work on this photo. Close it, and this one goes on.");
    if (news.ended) this.notice("Saved, and the command has ended. You may close this tab.");
  }

  open({ photo, step, tools }) {
    for (const image of this.root.querySelectorAll("img")) image.src = photo.image;
    this.size = photo.box.slice(2);
    this.style("--ratio", this.size[0] / this.size[1]);
    const shown = this.size.map((length) => Math.ceil(length / step));
    this.whole = [0, 0, ...shown.map((length) => length * step)]; // the canvases' box
    for (const context of [this.mask, this.restored]) {
      [context.canvas.width, context.canvas.height] = shown;
      context.scale(1 / step, 1 / step); // from now on its coordinates are the photo's
      Object.assign(context, { lineCap: "round", lineJoin: "round", strokeStyle: "rgb(230 0 120)" });
    }
    for (const name of ["find", "load", "save", "close"]) this.button(name).hidden = !tools.includes(name);
  }

  async take(context, { box, image }) {
    const drawn = await createImageBitmap(await (await fetch(image)).blob());
    context.globalCompositeOperation = "source-over";
    context.clearRect(...box);
    context.drawImage(drawn, ...box);
    for (const stroke of [...this.pending, this.held]) if (stroke?.points) this.drawLine(stroke, stroke.points);
    this.restored.globalCompositeOperation = "destination-in"; // what is no hole is not restored
    this.restored.drawImage(this.mask.canvas, ...this.whole);
  }

  takeState({ eyes, hole, brush }) {
    const before = this.eyes.length;
    if (!this.held && !this.pending.some((asked) => asked.do === "mark")) this.eyes = eyes; // else it is an older answer
    if (!this.known) this.brush = brush;
    if (!this.known) this.choose(eyes.length > 1 ? "paint" : "eyes");
    else if (this.eyes.length < before && (!this.eyes.length || this.eyes.length % 2)) this.choose("eyes");
    [this.known, this.hole] = [true, hole];
    this.notice("");
    this.show();
  }

  // What is shown.
  get scale() { return this.find(".sheet").getBoundingClientRect().width / this.size[0]; } // CSS pixels for one of it
  get point() { return this.cursor ?? this.size.map((length) => length / 2); } // where the brush is
  inside(point) { return point.map((value, axis) => clip(value, 0, this.size[axis] - 1)); }
  placed([x, y]) { return `left: ${100 * (x + 0.5) / this.size[0]}%; top: ${100 * (y + 0.5) / this.size[1]}%`; }

  say(words) {
    const hint = this.tool === "eyes" && this.eyes.length % 2 ? "Now the other eye." : HINTS[this.tool];
    this.find(".say").textContent = words ?? hint;
  }

  show() { // the brush, in both panels, the eyes, and the figures
    const width = this.tool === "eyes" ? "12px" : `max(3px, ${100 * this.brush / this.size[0]}%)`;
    for (const ring of this.root.querySelectorAll(".ring")) {
      ring.style = this.cursor ? `${this.placed(this.cursor)}; width: ${width}` : "display: none";
    }
    this.find(".eyes").innerHTML = this.eyes.map((eye, number) => {
      const name = `eye ${(number % 2) + 1} of face ${Math.floor(number / 2) + 1}`;
      return `<i role="img" aria-label="${name}" style="${this.placed(this.inside(eye))}"></i>`;
    }).join("");
    this.find(".facts").textContent = `${(100 * this.hole).toFixed(2)} % painted · ` +
      `faces: ${this.eyes.length >> 1} · brush: ${Math.round(this.brush)} px · zoom: ${this.zoom.toFixed(1)}`;
  }

  choose(tool) {
    this.tool = tool;
    for (const name of Object.keys(HINTS)) this.button(name).setAttribute("aria-pressed", name === tool);
    this.say();
    this.show();
  }

  resize(steps) {
    this.brush = clip(this.brush + steps * Math.max(1, this.brush * (STEP - 1)), 1, Math.max(...this.size));
    this.show();
  }

  zoomBy(factor, at, panel = this.panels[0]) { // at: [x, y] in CSS pixels, which stays where it is, else the brush
    const sheet = panel.firstElementChild;
    const before = sheet.getBoundingClientRect();
    const [x, y] = at ?? this.point.map((value, axis) => (value + 0.5) * this.scale + [before.left, before.top][axis]);
    this.zoom = clip(this.zoom * factor, 1, Math.max(1, (MAX_ZOOM * this.size[0]) / panel.clientWidth));
    this.style("--zoom", this.zoom);
    const after = sheet.getBoundingClientRect();
    const grown = after.width / before.width;
    this.scroll(panel, after.left + (x - before.left) * grown - x, after.top + (y - before.top) * grown - y);
    this.show();
  }

  scroll(panel, right, down) { // and the other panel with it
    panel.scrollBy(right, down);
    for (const other of this.panels) other.scrollTo(panel.scrollLeft, panel.scrollTop);
  }

  // What the hand holds: an eye, { eye: its number }, or the brush, a stroke.
  begin(point, erase = this.tool === "erase") {
    if (!this.known) return; // the photo, and the eyes that are marked, are still to come
    const near = this.eyes.findIndex((eye) => between(this.inside(eye), point) * this.scale < REACH);
    if (this.tool === "eyes" && !erase) {
      const eye = near < 0 ? this.eyes.length : near;
      this.held = { eye, from: point, was: this.eyes[eye] };
    } else this.held = { points: [], brush: this.brush, erase };
    this.drag(point);
    this.say();
    this.show();
  }

  drag(point) {
    const { held } = this;
    if (held?.points?.length === MAX_SIDE) {
      this.drop();
      this.begin(point, held.erase);
    } else if (held?.points) {
      if (held.points.length && between(held.points.at(-1), point) < SPARE * this.brush) return;
      held.points.push(point.map((value) => Math.round(100 * value) / 100));
      this.drawLine(held, held.points.slice(-2));
    } else if (held) {
      const beyond = this.size.map((length) => BEYOND * length);
      this.eyes[held.eye] = point.map((value, axis) => clip(value, -beyond[axis], this.size[axis] + beyond[axis]));
    }
  }

  drop() {
    const { held } = this;
    this.held = null;
    if (held?.points) this.send("stroke", held);
    else if (held) {
      const alone = held.was && this.eyes.length % 2 && held.eye === this.eyes.length - 1;
      if (alone && between(this.eyes[held.eye], held.from) * this.scale < STILL) { // not dragged: in a small face the
        this.eyes.splice(held.eye, 0, held.was); // partner is as near as that
      }
      this.send("mark", { eyes: this.eyes });
      this.choose(this.eyes.length % 2 ? "eyes" : "paint");
    }
  }

  drawLine({ brush, erase }, points) {
    this.mask.globalCompositeOperation = erase ? "destination-out" : "source-over";
    this.mask.lineWidth = Math.max(brush, 1.42);
    this.mask.beginPath();
    for (const [x, y] of [points[0], ...points]) this.mask.lineTo(x + 0.5, y + 0.5);
    this.mask.stroke();
  }

  // Mouse, pen and fingers.
  pointAt({ clientX, clientY }, panel) {
    const { left, top } = panel.firstElementChild.getBoundingClientRect();
    return [(clientX - left) / this.scale - 0.5, (clientY - top) / this.scale - 0.5];
  }

  pointerdown(event) {
    if (this.isPalm(event) || event.button === 3 || event.button === 4) return; // those go back and forth
    if (event.pointerType === "pen") this.pen = event.pointerId;
    const panel = event.currentTarget;
    panel.setPointerCapture(event.pointerId);
    panel.focus({ preventScroll: true, focusVisible: false });
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    this.moving = this.pointers.size > 1 || event.button === 1 || this.space;
    if (this.pointers.size > 1 && this.held) { // a second finger: what the first one drew was no stroke
      this.held = null;
      this.send("show", { photo: false });
    }
    if (!this.moving && !this.held) this.begin(this.pointAt(event, panel), event.button > 0 || undefined);
  }

  isPalm({ pointerType }) { return this.pointers.has(this.pen) && pointerType !== "pen"; }

  pointermove(event) {
    if (this.isPalm(event)) return;
    const panel = event.currentTarget;
    const [before, now] = [this.pointers.get(event.pointerId), [event.clientX, event.clientY]];
    this.cursor = this.pointAt(event, panel);
    if (before && this.moving) this.movePhoto(panel, event.pointerId, before, now);
    else if (before) for (const part of event.getCoalescedEvents?.() ?? [event]) this.drag(this.pointAt(part, panel));
    if (before) this.pointers.set(event.pointerId, now);
    this.show();
  }

  movePhoto(panel, pointer, before, now) {
    const [, other] = [...this.pointers].find(([id]) => id !== pointer) ?? [];
    const fingers = this.pointers.size; // of two each moves it by half of its way
    this.scroll(panel, (before[0] - now[0]) / fingers, (before[1] - now[1]) / fingers);
    if (!other) return;
    const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    this.zoomBy(between(now, other) / Math.max(1, between(before, other)), middle, panel);
  }

  lostpointercapture(event) { // let go, or taken away
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.drop();
  }

  contextmenu(event) { event.preventDefault(); }
  mousedown(event) { event.preventDefault(); } // or the middle button would scroll

  wheel(event) {
    if (!this.root.contains(document.activeElement)) return; // a notebook scrolls on, until the canvas is clicked
    event.preventDefault();
    const steps = clip(-event.deltaY / 100, -1, 1);
    if (event.ctrlKey) this.zoomBy(STEP ** steps, [event.clientX, event.clientY], event.currentTarget);
    else this.resize(steps);
  }

  // Keys and buttons.
  keydown(event) {
    const control = (event.ctrlKey || event.metaKey) && !event.altKey;
    const latin = /^[ -~]$/.test(event.key) || event.key.length > 1; // else the letter that is printed there
    const key = latin ? event.key : event.code.replace(/^Key/, "");
    const letter = key.length === 1 ? key.toLowerCase() : key;
    const name = control ? `Control+${event.shiftKey ? "Shift+" : ""}${letter}` : letter;
    const action = Object.keys(BUTTONS).find((one) => BUTTONS[one][1].split(" ").includes(name));
    const onPanel = this.panels.includes(event.target);
    if (onPanel && name in ARROWS) this.moveBrush(ARROWS[name], event.shiftKey);
    else if (onPanel && name === "Enter") this.putDown();
    else if (onPanel && name === " ") this.space = true;
    else if (action && !this.held && !this.button(action).hidden) this.button(action).click();
    else return;
    event.preventDefault();
  }

  keyup({ key }) { if (key === " ") this.space = false; }

  moveBrush(way, finely) {
    const step = finely ? 1 : Math.max(1, this.brush / 4, 4 / this.scale);
    this.cursor = this.inside(this.point.map((value, axis) => value + step * way[axis]));
    this.drag(this.cursor);
    this.show();
    this.find(".ring").scrollIntoView({ block: "nearest", inline: "nearest" });
    this.scroll(this.panels[0], 0, 0);
  }

  putDown() { // or lifts: Enter does both
    if (this.held) this.drop();
    else this.begin((this.cursor = this.point));
    this.say(this.held && "It is down: arrows move it, Enter lifts it.");
  }

  click({ target }) {
    const name = target.closest("[data-do]")?.dataset.do;
    if (!name) return;
    const [, , here] = BUTTONS[name];
    this.say();
    if (here) here(this);
    else this.send(name);
  }

  input({ target }) { this.style("--wipe", `${target.value}%`); } // the only slider's
}

export default { render: ({ model, el }) => void new Canvas(model, el) };

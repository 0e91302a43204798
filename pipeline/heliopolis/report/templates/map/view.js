// What part of the area the canvas shows, and how mouse, touch and keys change it.

const PAN_PIXELS = 80;
const ZOOM_STEP = 1.5;

class View {
  constructor(canvas, bounds) {
    this.canvas = canvas;
    this.bounds = bounds;
    this.onchange = () => {};
    this.onpick = () => {};
    this.fitted = true;
    this.resize();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.width = Math.max(1, this.canvas.clientWidth);
    this.height = Math.max(1, this.canvas.clientHeight);
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.ratio = ratio;
    if (this.fitted) this.fit(this.bounds);
    else this.onchange();
  }

  x(east) { return (east - this.east) * this.scale + this.width / 2; }
  y(north) { return (this.north - north) * this.scale + this.height / 2; }
  eastOf(x) { return (x - this.width / 2) / this.scale + this.east; }
  northOf(y) { return this.north - (y - this.height / 2) / this.scale; }

  get box() {
    return [this.eastOf(0), this.northOf(this.height), this.eastOf(this.width), this.northOf(0)];
  }

  limit(scale) {
    const [west, south, east, north] = this.bounds;
    const whole = Math.min(this.width / (east - west), this.height / (north - south));
    return Math.max(whole / 4, Math.min(50, scale));
  }

  /** Shows a box with a margin; `most` bounds the scale, in pixels a metre. */
  fit(box, most = 50) {
    const [west, south, east, north] = box;
    const wide = Math.max(east - west, 1), high = Math.max(north - south, 1);
    this.scale = this.limit(Math.min(most, 0.94 * Math.min(this.width / wide, this.height / high)));
    this.east = (west + east) / 2;
    this.north = (south + north) / 2;
    this.fitted = box === this.bounds;
    this.onchange();
  }

  pan(right, down) {
    this.east += right / this.scale;
    this.north -= down / this.scale;
    const [west, south, east, north] = this.bounds;
    this.east = Math.max(west, Math.min(east, this.east));
    this.north = Math.max(south, Math.min(north, this.north));
    this.fitted = false;
    this.onchange();
  }

  /** Zooms by a factor about a point of the screen, the middle by default. */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const east = this.eastOf(x), north = this.northOf(y);
    this.scale = this.limit(this.scale * factor);
    this.east = east - (x - this.width / 2) / this.scale;
    this.north = north + (y - this.height / 2) / this.scale;
    this.pan(0, 0);
  }

  listen() {
    const canvas = this.canvas, held = new Map();
    let travelled = 0;
    const where = (event) => {
      const box = canvas.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      if (!held.size) travelled = 0;
      held.set(event.pointerId, where(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = held.get(event.pointerId);
      if (!before) return;
      const now = where(event);
      const others = [...held].filter(([id]) => id !== event.pointerId);
      travelled += Math.hypot(now.x - before.x, now.y - before.y);
      held.set(event.pointerId, now);
      if (others.length) this.pinch(before, now, others[0][1]);
      else if (travelled > 4) this.pan(before.x - now.x, before.y - now.y);
    });
    canvas.addEventListener("pointerup", (event) => {
      const single = held.size === 1;
      held.delete(event.pointerId);
      if (single && travelled <= 4) this.onpick(where(event), event.pointerType === "touch" ? 14 : 4);
    });
    canvas.addEventListener("pointercancel", (event) => held.delete(event.pointerId));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { x, y } = where(event);
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), x, y);
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => {
      const { x, y } = where(event);
      this.zoom(2, x, y);
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  pinch(before, now, other) {
    const spread = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    this.pan((before.x - now.x) / 2, (before.y - now.y) / 2);
    this.zoom(spread(now) / spread(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      ArrowLeft: () => this.pan(-PAN_PIXELS, 0),
      ArrowRight: () => this.pan(PAN_PIXELS, 0),
      ArrowUp: () => this.pan(0, -PAN_PIXELS),
      ArrowDown: () => this.pan(0, PAN_PIXELS),
      "+": () => this.zoom(ZOOM_STEP),
      "=": () => this.zoom(ZOOM_STEP),
      "-": () => this.zoom(1 / ZOOM_STEP),
      Home: () => this.fit(this.bounds),
      0: () => this.fit(this.bounds),
      Enter: () => this.onpick({ x: this.width / 2, y: this.height / 2 }, 6, true),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }
}

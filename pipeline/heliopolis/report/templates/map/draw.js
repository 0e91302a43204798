// The picture: temperature, zones, buildings or roof planes, places, the choice, a scale bar.

const PLANES_FROM = 2; // pixels a metre from which roof planes stand in for buildings
const SLOW_MS = 30;

class Painter {
  constructor(view, layers, map, isOn) {
    Object.assign(this, { view, layers, map, isOn, chosen: null, cost: 0 });
    this.context = view.canvas.getContext("2d");
    this.frame = document.createElement("canvas");
    this.shown = null;
  }

  /** Draws soon; while things move and the full picture is slow, the last one moves along. */
  request() {
    clearTimeout(this.later);
    if (this.cost > SLOW_MS && this.shown) {
      this.later = setTimeout(() => this.paint(), 120);
      cancelAnimationFrame(this.next);
      this.next = requestAnimationFrame(() => this.move());
    } else {
      cancelAnimationFrame(this.next);
      this.next = requestAnimationFrame(() => this.paint());
    }
  }

  move() {
    const { context, view, shown, frame } = this;
    const factor = view.scale / shown.scale;
    context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    context.fillStyle = "#f4f4f1";
    context.fillRect(0, 0, view.width, view.height);
    const x = view.x(shown.west), y = view.y(shown.north);
    context.drawImage(frame, x, y, shown.width * factor, shown.height * factor);
  }

  paint() {
    const { context, view, frame } = this, started = performance.now();
    context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    context.fillStyle = "#f4f4f1";
    context.fillRect(0, 0, view.width, view.height);
    this.labels = [];
    this.temperature();
    this.boundary();
    const close = view.scale >= PLANES_FROM && this.layers.roof_planes && this.isOn("roof_planes");
    if (this.isOn("hot_zones")) this.zones(!this.isOn("lst"));
    if (this.isOn("buildings")) this.fill("buildings");
    if (close) this.fill("roof_planes");
    if (this.isOn("hot_zones") && !this.isOn("lst")) this.zones(false);
    if (this.isOn("places")) this.places();
    this.ranks();
    this.choice();
    this.scaleBar();
    this.cost = performance.now() - started;
    frame.width = view.canvas.width;
    frame.height = view.canvas.height;
    frame.getContext("2d").drawImage(view.canvas, 0, 0);
    this.shown = { scale: view.scale, west: view.eastOf(0), north: view.northOf(0), width: view.width, height: view.height };
  }

  temperature() {
    const image = this.map.image, { context, view } = this;
    if (!image || !this.isOn("lst")) return;
    const [west, south, east, north] = this.map.raster.bounds;
    context.imageSmoothingEnabled = false;
    context.drawImage(image, view.x(west), view.y(north), (east - west) * view.scale, (north - south) * view.scale);
    context.imageSmoothingEnabled = true;
  }

  outline(layer, rows, colour, width, dash = []) {
    const { context, view } = this;
    context.beginPath();
    for (const i of rows) layer.trace(context, view, i);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.setLineDash(dash);
    context.lineJoin = "round";
    context.stroke();
    context.setLineDash([]);
  }

  boundary() {
    const layer = this.layers.study_area;
    if (layer) this.outline(layer, [0], "#333333", 1.2, [6, 4]);
  }

  /** Polygons in the colours of their classes, one path a class. */
  fill(key) {
    const layer = this.layers[key], { context, view } = this;
    if (!layer) return;
    const classes = new Map();
    for (const i of layer.index.query(view.box)) {
      const colour = layer.colour(i);
      if (!classes.has(colour)) classes.set(colour, []);
      classes.get(colour).push(i);
    }
    for (const [colour, rows] of classes) {
      context.beginPath();
      for (const i of rows) {
        const [west, south, east, north] = layer.box(i);
        const wide = (east - west) * view.scale, high = (north - south) * view.scale;
        if (wide < 3 && high < 3) {
          const sides = [wide, high].map((side) => Math.max(1, Math.round(side)));
          context.rect(Math.round(view.x(west)), Math.round(view.y(north)), ...sides);
        } else layer.trace(context, view, i);
      }
      context.fillStyle = colour;
      context.fill("evenodd");
      if (view.scale > 0.5) {
        context.strokeStyle = "#202020";
        context.lineWidth = Math.min(1, 0.3 + view.scale / 8);
        context.stroke();
      }
    }
  }

  zones(filled) {
    const layer = this.layers.hot_zones, { context, view } = this;
    if (!layer) return;
    const rows = layer.index.query(view.box);
    if (filled) {
      for (const i of rows) {
        context.beginPath();
        layer.trace(context, view, i);
        context.fillStyle = layer.colour(i);
        context.fill("evenodd");
      }
      return;
    }
    this.outline(layer, rows, "#ffffff", 6.5);
    for (const i of rows) this.outline(layer, [i], layer.colour(i), 3);
  }

  ranks() {
    const layer = this.layers.hot_zones;
    if (!layer || !this.isOn("hot_zones")) return;
    for (const i of layer.index.query(this.view.box)) {
      const [x, y] = layer.anchors[i];
      this.label(String(layer.value("rank", i)), x, y, "bold 14px", 6);
    }
  }

  /** Small places as dots, large ones as outlines, in the colour of their class. */
  places() {
    const layer = this.layers.places, { context, view } = this;
    if (!layer) return;
    for (const i of layer.index.query(view.box)) {
      const [west, south, east, north] = layer.box(i);
      const size = Math.max(east - west, north - south) * view.scale;
      const x = view.x((west + east) / 2), y = view.y((south + north) / 2);
      if (size < 40) {
        context.beginPath();
        context.arc(x, y, 5.5, 0, 7);
        context.fillStyle = layer.colour(i);
        context.fill();
        context.lineWidth = 3.5;
        context.strokeStyle = "#ffffff";
        context.stroke();
        context.lineWidth = 1.6;
        context.strokeStyle = "#111111";
        context.stroke();
      } else {
        this.outline(layer, [i], "#ffffff", 3);
        this.outline(layer, [i], "#3c3c3c", 1.4, [2, 3]);
      }
      if (size > 60 || view.scale > 0.25) {
        const text = layer.value("name", i) ?? layer.value(layer.id, i);
        this.label(text, (west + east) / 2, (south + north) / 2, "12px", 10);
      }
    }
  }

  /** Text with a halo where it runs into no other. */
  label(text, east, north, font, drop) {
    const { context, view } = this;
    context.font = `${font} system-ui, sans-serif`;
    const half = context.measureText(text).width / 2 + 2;
    const x = view.x(east), y = view.y(north) + drop + 4;
    const box = [x - half, y - 14, x + half, y + 4];
    const meets = (other) => other[0] < box[2] && other[2] > box[0] && other[1] < box[3] && other[3] > box[1];
    if (this.labels.some(meets)) return;
    this.labels.push(box);
    context.textAlign = "center";
    context.lineWidth = 3.5;
    context.lineJoin = "round";
    context.strokeStyle = "#ffffff";
    context.strokeText(text, x, y);
    context.fillStyle = "#111111";
    context.fillText(text, x, y);
  }

  choice() {
    if (!this.chosen) return;
    const { layer, row } = this.chosen, { context, view } = this;
    const [west, south, east, north] = layer.box(row);
    this.outline(layer, [row], "#ffffff", 6);
    this.outline(layer, [row], "#0057d8", 3.5);
    if (Math.max(east - west, north - south) * view.scale > 16) return;
    context.beginPath();
    context.arc(view.x((west + east) / 2), view.y((south + north) / 2), 13, 0, 7);
    context.stroke();
  }

  /** A bar of a round length, and a cross in the middle while keys are in use. */
  scaleBar() {
    const { context, view } = this, about = 110 / view.scale;
    const power = 10 ** Math.floor(Math.log10(about));
    const length = Math.max(...[1, 2, 5].map((step) => step * power).filter((step) => step <= about));
    const text = length >= 1000 ? `${length / 1000} km` : `${this.map.format(length, 0)} m`;
    const x = view.width - 14 - length * view.scale, y = view.height - 14;
    for (const [colour, width] of [["#ffffff", 6], ["#111111", 3]]) {
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + length * view.scale, y);
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
    }
    this.label(text, view.eastOf(x + (length * view.scale) / 2), view.northOf(y), "12px", -12);
    if (!view.canvas.matches(":focus-visible")) return;
    for (const [colour, width] of [["#ffffff", 4], ["#111111", 1.5]]) {
      context.beginPath();
      context.moveTo(view.width / 2 - 12, view.height / 2);
      context.lineTo(view.width / 2 + 12, view.height / 2);
      context.moveTo(view.width / 2, view.height / 2 - 12);
      context.lineTo(view.width / 2, view.height / 2 + 12);
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
    }
  }
}

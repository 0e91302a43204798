// The page: layers, view, picture, card and search put together.

class CityMap {
  constructor(content) {
    Object.assign(this, { words: content.words, raster: content.raster, language: content.language });
    this.layers = Object.fromEntries(content.layers.map((record) => [record.key, new Layer(record)]));
    this.boxes = [...document.querySelectorAll("#layers input")];
    this.view = new View(document.getElementById("map"), content.bounds);
    this.painter = new Painter(this.view, this.layers, this, (key) => this.isOn(key));
    this.card = new Card(this, this.layers);
    this.search = new Search(this, this.layers, this.card);
    this.listen();
  }

  async start() {
    if (this.raster) {
      this.image = new Image();
      this.image.src = `data:image/png;base64,${this.raster.png}`;
      await this.image.decode();
    }
    this.follow();
    this.painter.request();
  }

  isOn(key) {
    return this.boxes.some((box) => box.value === key && box.checked);
  }

  format(value, digits) {
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    return value.toLocaleString(this.language === "fr" ? "fr-FR" : "en-GB", options).replace("-", "\u2212");
  }

  listen() {
    const redraw = () => this.painter.request();
    this.view.onchange = redraw;
    this.view.onpick = (point, reach, byKey) => this.pick(point, reach, byKey);
    for (const box of this.boxes) box.addEventListener("change", redraw);
    for (const name of ["focus", "blur"]) this.view.canvas.addEventListener(name, redraw);
    const act = (id, action) => document.getElementById(id).addEventListener("click", action);
    act("closer", () => this.view.zoom(ZOOM_STEP));
    act("farther", () => this.view.zoom(1 / ZOOM_STEP));
    act("whole", () => this.view.fit(this.view.bounds));
    window.addEventListener("hashchange", () => this.follow());
    if (window.matchMedia("(max-width: 45rem)").matches) document.getElementById("panel").open = false;
  }

  /** Goes to what the address names, such as #buildings=B12. */
  follow() {
    const [key, text] = location.hash.slice(1).split("=");
    const layer = this.layers[key];
    const row = layer && text ? layer.rowOf.get(decodeURIComponent(text)) : undefined;
    const known = this.painter.chosen;
    if (row === undefined || (known && known.layer === layer && known.row === row)) return;
    this.choose({ layer, row }, { focus: true, go: true });
  }

  /** What lies at a point of the screen: the topmost opens, the others are named below it. */
  pick({ x, y }, reach, byKey = false) {
    const east = this.view.eastOf(x), north = this.view.northOf(y), found = [];
    const planes = this.view.scale >= PLANES_FROM;
    for (const key of ["places", "buildings", "roof_planes", "hot_zones"]) {
      const layer = this.layers[key];
      if (!layer || !this.isOn(key) || (key === "roof_planes" && !planes)) continue;
      const dot = layer.dots ? reach + 4 : key === "hot_zones" ? 0 : reach;
      for (const row of layer.at(east, north, dot / this.view.scale).slice(0, 1)) found.push([layer, row]);
    }
    found.sort(([a, i], [b, j]) => this.width(a, i) - this.width(b, j));
    const top = found.findIndex(([layer]) => layer.key === "buildings");
    const [first] = found.splice(Math.max(top, 0), 1);
    if (first) this.choose({ layer: first[0], row: first[1] }, { also: found, focus: byKey });
    else this.ground(east, north, byKey);
  }

  width(layer, row) {
    const [west, , east] = layer.box(row);
    return east - west;
  }

  choose(chosen, { also = [], focus = false, go = false } = {}) {
    this.painter.chosen = chosen;
    if (!chosen) {
      this.card.hide();
      history.replaceState(null, "", location.pathname + location.search);
      this.view.canvas.focus({ preventScroll: true });
    } else {
      const { layer, row } = chosen, key = layer.value(layer.id, row);
      history.replaceState(null, "", address(layer, key));
      this.card.show(this.card.name(layer, row), this.card.rows(layer, row), also, focus);
      if (go) this.show(layer, row);
    }
    this.painter.request();
  }

  show(layer, row) {
    const [west, south, east, north] = layer.box(row);
    const margin = layer.key === "hot_zones" ? 0.2 : 1.5;
    const wide = Math.max(east - west, north - south) * margin;
    this.view.fit([west - wide, south - wide, east + wide, north + wide], 4);
    const { offsetWidth, offsetHeight } = this.card.element;
    const below = offsetWidth > this.view.width / 2;
    this.view.pan(below ? 0 : offsetWidth / 2, below ? offsetHeight / 2 : 0);
    const box = this.boxes.find((one) => one.value === layer.key);
    if (box) box.checked = true;
  }

  /** Temperature of the ground where nothing stands. */
  ground(east, north, focus) {
    this.painter.chosen = null;
    const cells = this.raster && this.isOn("lst") ? this.raster.cells : null;
    const column = cells ? Math.floor((east - cells.west) / cells.size) : -1;
    const row = cells ? Math.floor((cells.north - north) / cells.size) : -1;
    const at = row * (cells ? cells.wide : 0) + column;
    const inside = cells && column >= 0 && row >= 0 && column < cells.wide && at < cells.lst.length;
    if (inside && cells.lst[at] !== null) {
      const sd = cells.sd[at] === null ? "" : ` ± ${this.format(cells.sd[at] / 10, 1)}`;
      const rows = [[cells.label, this.format(cells.lst[at] / 10, 1) + sd], [this.words.mean_over, `${this.format(cells.size, 0)} m`]];
      if (cells.detail) rows.push([cells.detail_label, this.format(cells.detail, 0)]);
      this.card.show(this.words.ground, rows, [], focus);
    } else this.card.hide();
    this.painter.request();
  }
}

(async () => {
  const note = document.getElementById("told");
  try {
    const map = new CityMap(await unpack(document.getElementById("content").textContent.trim()));
    await map.start();
    document.documentElement.dataset.ready = "yes";
  } catch (error) {
    note.textContent = note.dataset.failed;
    throw error;
  }
})();

// Search by identifier of a building, name of a place, or zone: a list that keys walk through.

const MOST_HITS = 12;

class Search {
  constructor(map, layers, card) {
    Object.assign(this, { map, layers, card, hits: [], at: -1 });
    this.field = document.getElementById("search");
    this.list = document.getElementById("hits");
    this.told = document.getElementById("told");
    this.field.addEventListener("input", () => this.look());
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.field.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    this.field.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.take(Math.max(0, this.at));
    });
  }

  static fold(text) {
    return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  }

  /** What can be found: folded text and where it leads. */
  get entries() {
    if (this.made) return this.made;
    this.made = [];
    for (const key of ["places", "hot_zones", "buildings"]) {
      const layer = this.layers[key];
      if (!layer) continue;
      for (let row = 0; row < layer.count; row++) {
        const id = layer.value(layer.id, row), name = layer.value("name", row);
        this.made.push([Search.fold(name ? `${name} ${id}` : id), layer, row]);
      }
    }
    return this.made;
  }

  look() {
    const asked = Search.fold(this.field.value.trim());
    this.hits = [];
    if (asked) {
      const first = [], later = [];
      for (const entry of this.entries) {
        const place = entry[0].indexOf(asked);
        if (place === 0) first.push(entry);
        else if (place > 0 && later.length < MOST_HITS) later.push(entry);
        if (first.length >= MOST_HITS) break;
      }
      first.sort((a, b) => a[0].length - b[0].length);
      this.hits = [...first, ...later].slice(0, MOST_HITS);
    }
    this.at = -1;
    this.fill(asked);
  }

  fill(asked) {
    const options = this.hits.map(([, layer, row], place) => {
      const option = document.createElement("li");
      option.id = `hit-${place}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      const name = this.card.name(layer, row), id = layer.value(layer.id, row);
      option.textContent = layer.key === "places" && name !== id ? `${name} (${id})` : name;
      option.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        this.take(place);
      });
      return option;
    });
    this.list.replaceChildren(...options);
    this.list.hidden = !options.length;
    this.field.setAttribute("aria-expanded", String(Boolean(options.length)));
    this.field.removeAttribute("aria-activedescendant");
    const found = this.map.words.hits.replace("{n}", options.length);
    this.told.textContent = !asked ? "" : options.length ? found : this.map.words.no_hit;
  }

  mark(place) {
    this.at = (place + this.hits.length) % this.hits.length;
    [...this.list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === this.at)));
    this.field.setAttribute("aria-activedescendant", `hit-${this.at}`);
    this.list.children[this.at].scrollIntoView({ block: "nearest" });
  }

  key(event) {
    if (event.key === "Escape") this.close();
    if (!this.hits.length || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    this.mark(event.key === "ArrowDown" ? this.at + 1 : Math.max(this.at, 0) - 1);
  }

  take(place) {
    if (!this.hits[place]) return;
    const [, layer, row] = this.hits[place];
    this.close();
    this.map.choose({ layer, row }, { focus: true, go: true });
  }

  close() {
    this.list.hidden = true;
    this.hits = [];
    this.at = -1;
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }
}

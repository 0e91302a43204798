// The card that tells of what was chosen, and the address that leads to it.

class Card {
  constructor(map, layers) {
    Object.assign(this, { map, layers });
    this.element = document.getElementById("card");
    this.title = document.getElementById("card-title");
    this.body = document.getElementById("card-body");
    document.getElementById("card-close").addEventListener("click", () => map.choose(null));
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") map.choose(null);
    });
  }

  hide() {
    this.element.hidden = true;
  }

  show(title, rows, also, focus) {
    this.title.textContent = title;
    const list = document.createElement("dl");
    for (const [label, content] of rows) {
      const term = document.createElement("dt"), text = document.createElement("dd");
      term.textContent = label;
      text.append(content);
      list.append(term, text);
    }
    this.body.replaceChildren(list);
    if (also.length) {
      const line = document.createElement("p");
      line.append(this.map.words.also, " ");
      also.forEach(([layer, row], place) => line.append(place ? ", " : "", this.link(layer, layer.value(layer.id, row))));
      this.body.append(line);
    }
    this.element.hidden = false;
    this.element.scrollTop = 0;
    if (focus) this.element.focus();
  }

  name(layer, row) {
    if (layer.key === "places") return layer.value("name", row) ?? layer.value(layer.id, row);
    return `${layer.one} ${layer.value(layer.id, row)}`;
  }

  link(layer, key) {
    const anchor = document.createElement("a"), row = layer.rowOf.get(key);
    anchor.href = address(layer, key);
    anchor.textContent = row === undefined ? key : this.name(layer, row);
    return anchor;
  }

  /** Rows of a feature: name with unit, value with its uncertainty. */
  rows(layer, row) {
    return layer.shown.map(([field, sd]) => {
      const column = layer.columns[field], value = layer.value(field, row);
      if (value === null) return [column.label, this.map.words.unknown];
      const target = column.leads ? this.layers[column.leads] : null;
      if (target && target.rowOf.has(value)) return [column.label, this.link(target, value)];
      if (column.digits === null) return [column.label, value];
      const error = sd ? layer.value(sd, row) : null;
      const text = this.map.format(value, column.digits);
      if (error === null) return [column.label, text];
      return [column.label, `${text} ± ${this.map.format(error, layer.columns[sd].digits)}`];
    });
  }
}

function address(layer, key) {
  return `#${layer.key}=${encodeURIComponent(key)}`;
}

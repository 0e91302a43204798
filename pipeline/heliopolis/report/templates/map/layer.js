// One layer: outlines as they were packed, values, and an index over the boxes of its features.

async function unpack(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function running(counts) {
  const sums = new Uint32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) sums[i + 1] = sums[i] + counts[i];
  return sums;
}

class Layer {
  constructor(record) {
    Object.assign(this, record);
    this.count = record.rings.length;
    this.ringOf = running(record.rings);
    this.pointOf = running(record.points);
    this.xy = new Float64Array(record.xy.length);
    let x = 0, y = 0;
    for (let i = 0; i < record.xy.length; i += 2) {
      x += record.xy[i];
      y += record.xy[i + 1];
      this.xy[i] = x * record.quantum;
      this.xy[i + 1] = y * record.quantum;
    }
    this.boxes = this.measure();
    this.index = new Grid(this.boxes, this.count);
    this.rowOf = new Map(this.columns[this.id].values.map((text, row) => [text, row]));
  }

  measure() {
    const boxes = new Float64Array(4 * this.count);
    for (let i = 0; i < this.count; i++) {
      let west = Infinity, south = Infinity, east = -Infinity, north = -Infinity;
      const end = this.pointOf[this.ringOf[i + 1]];
      for (let p = this.pointOf[this.ringOf[i]]; p < end; p++) {
        west = Math.min(west, this.xy[2 * p]);
        east = Math.max(east, this.xy[2 * p]);
        south = Math.min(south, this.xy[2 * p + 1]);
        north = Math.max(north, this.xy[2 * p + 1]);
      }
      boxes.set([west, south, east, north], 4 * i);
    }
    return boxes;
  }

  box(i) {
    return this.boxes.subarray(4 * i, 4 * i + 4);
  }

  /** Value of a field, null where it is not known. */
  value(field, i) {
    const column = this.columns[field];
    const stored = column ? column.values[i] : null;
    if (stored === null || stored === undefined) return null;
    return column.digits === null ? stored : stored / 10 ** column.digits;
  }

  /** Colour of the class of a feature, grey where its value is not known. */
  colour(i) {
    return this.classes[i] < 0 ? "#d9d9d9" : this.colours[this.classes[i]];
  }

  /** Adds the outline of a feature to the path of a canvas. */
  trace(context, view, i) {
    for (let ring = this.ringOf[i]; ring < this.ringOf[i + 1]; ring++) {
      const start = this.pointOf[ring], end = this.pointOf[ring + 1];
      context.moveTo(view.x(this.xy[2 * start]), view.y(this.xy[2 * start + 1]));
      for (let p = start + 1; p < end; p++) {
        context.lineTo(view.x(this.xy[2 * p]), view.y(this.xy[2 * p + 1]));
      }
      context.closePath();
    }
  }

  /** Whether a point lies in a feature (even-odd rule), or within `reach` of its middle. */
  holds(i, x, y, reach) {
    const [west, south, east, north] = this.box(i);
    if (Math.hypot(x - (west + east) / 2, y - (south + north) / 2) < reach) return true;
    let inside = false;
    for (let ring = this.ringOf[i]; ring < this.ringOf[i + 1]; ring++) {
      const start = this.pointOf[ring], end = this.pointOf[ring + 1];
      for (let p = start, q = end - 1; p < end; q = p++) {
        const [px, py, qx, qy] = [this.xy[2 * p], this.xy[2 * p + 1], this.xy[2 * q], this.xy[2 * q + 1]];
        if (py > y !== qy > y && x < ((qx - px) * (y - py)) / (qy - py) + px) inside = !inside;
      }
    }
    return inside;
  }

  /** Features at a point, the smallest first. */
  at(x, y, reach) {
    const found = this.index.query([x - reach, y - reach, x + reach, y + reach]);
    const size = (i) => (this.boxes[4 * i + 2] - this.boxes[4 * i]) * (this.boxes[4 * i + 3] - this.boxes[4 * i + 1]);
    return found.filter((i) => this.holds(i, x, y, reach)).sort((a, b) => size(a) - size(b));
  }
}

/** Boxes by the cells of a regular grid, about eight to a cell. */
class Grid {
  constructor(boxes, count) {
    this.boxes = boxes;
    this.west = Infinity;
    this.south = Infinity;
    let east = -Infinity, north = -Infinity;
    for (let i = 0; i < count; i++) {
      this.west = Math.min(this.west, boxes[4 * i]);
      this.south = Math.min(this.south, boxes[4 * i + 1]);
      east = Math.max(east, boxes[4 * i + 2]);
      north = Math.max(north, boxes[4 * i + 3]);
    }
    const side = Math.max(1, Math.min(256, Math.round(Math.sqrt(count / 8))));
    this.side = side;
    this.wide = Math.max(1e-9, (east - this.west) / side);
    this.high = Math.max(1e-9, (north - this.south) / side);
    this.cells = Array.from({ length: side * side }, () => []);
    this.seen = new Uint32Array(count);
    this.turn = 0;
    for (let i = 0; i < count; i++) {
      this.each(boxes.subarray(4 * i, 4 * i + 4), (cell) => cell.push(i));
    }
  }

  each(box, visit) {
    const clip = (value) => Math.max(0, Math.min(this.side - 1, Math.floor(value)));
    const left = clip((box[0] - this.west) / this.wide), right = clip((box[2] - this.west) / this.wide);
    const low = clip((box[1] - this.south) / this.high), high = clip((box[3] - this.south) / this.high);
    for (let row = low; row <= high; row++) {
      for (let column = left; column <= right; column++) visit(this.cells[row * this.side + column]);
    }
  }

  /** Features whose boxes meet a box, in the order of the table. */
  query(box) {
    const found = [], boxes = this.boxes, turn = ++this.turn;
    this.each(box, (cell) => {
      for (const i of cell) {
        if (this.seen[i] === turn) continue;
        this.seen[i] = turn;
        const meets = boxes[4 * i] <= box[2] && boxes[4 * i + 2] >= box[0] && boxes[4 * i + 1] <= box[3] && boxes[4 * i + 3] >= box[1];
        if (meets) found.push(i);
      }
    });
    return found.sort((a, b) => a - b);
  }
}

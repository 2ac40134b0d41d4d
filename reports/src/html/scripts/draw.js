// A plot that draws itself again from its numbers: for a range of time, the same in all plots over time, and for the series
// that are not left out.
const NARROWEST = 4;

// The range of time that is shown, the same in every plot over time.
const view = { from: 0, to: 0, end: 0, plots: [] };

const zoom = (from, to, least) => {
  const width = Math.min(view.end, Math.max(to - from, least));
  const start = Math.max(0, Math.min(view.end - width, (from + to - width) / 2));
  view.from = start;
  view.to = start + width;
  for (const plot of view.plots) plot.draw();
};

class Drawing {
  constructor(figure, data) {
    this.data = data;
    this.plot = figure.querySelector(".plot");
    this.svg = figure.querySelector("svg");
    this.box = this.svg.viewBox.baseVal.width;
    this.begins = data.begins ?? null;
    this.rows = data.rows;
    this.hidden = new Set();
    this.index = null;
    this.anchor = null;
    this.timed = data.across === "time";
    if (this.timed) {
      view.end = view.to = data.x[2];
      view.plots.push(this);
    }
    this.marks = [...this.plot.querySelectorAll(".mark")].map((element) => ({
      element, label: element.textContent, from: Number(element.dataset.from), to: Number(element.dataset.to || element.dataset.from),
    }));
    const legend = figure.querySelector(".legend");
    const head = document.createElement("div");
    head.className = "head";
    figure.prepend(head);
    head.append(legend);
    this.switches(legend);
    this.tools(head);
    this.readout();
    this.draw();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  // The range of x that is shown.
  get from() { return this.timed ? view.from : this.data.x[1]; }
  get to() { return this.timed ? view.to : this.data.x[2]; }
  get zoomed() { return this.timed && (view.from > 0 || view.to < view.end); }
  left(x) { return (x - this.from) / (this.to - this.from); }

  // A button for each series, to leave it out or bring it back.
  switches(legend) {
    for (const entry of legend.querySelectorAll("[data-c]")) {
      const column = Number(entry.dataset.c);
      const press = document.createElement("button");
      press.type = "button";
      press.append(...entry.childNodes);
      press.setAttribute("aria-pressed", "true");
      press.addEventListener("click", () => {
        const shows = this.hidden.delete(column);
        if (!shows) this.hidden.add(column);
        press.setAttribute("aria-pressed", String(shows));
        this.draw();
      });
      entry.append(press);
    }
  }

  tools(head) {
    const tools = add(head, "div", "tools");
    const about = this.svg.getAttribute("aria-label");
    if (this.timed) {
      this.range = add(tools, "output");
      this.closer = button(tools, "+", `Zoom in: ${about}`, () => this.scale(0.5));
      this.wider = button(tools, "\u2212", `Zoom out: ${about}`, () => this.scale(2));
      this.whole = button(tools, "Whole run", "", () => this.reset());
    }
    button(tools, "CSV", `Download the numbers as CSV: ${about}`, () => download(this.data.name, this.file()));
  }

  file() {
    const time = this.timed ? ["from_s", "to_s"] : this.data.across === "nines" ? ["from_nines", "to_nines"] : [];
    const head = [...(this.data.titles?.length ? ["name"] : []), ...time];
    if (this.timed && this.begins !== null) head.push("from_utc");
    head.push(...this.columns().map((column) => column.key));
    const rows = this.rows.map((row, index) => {
      const cells = [...(this.data.titles?.length ? [this.data.titles[index]] : []), ...(time.length ? row.slice(0, 2) : [])];
      if (this.timed && this.begins !== null) cells.push(new Date((this.begins + row[0]) * 1e3).toISOString());
      return [...cells, ...this.values(index)];
    });
    return csv(head, rows);
  }

  columns() { return this.data.columns; }
  values(index) { return this.rows[index].slice(2); }

  // The value of a column as it is drawn.
  value(row, column) {
    const value = row[column + 2];
    if (value === null) return null;
    return this.data.columns[column].unit === "rate" ? value / this.data.per[0] : value;
  }

  draw() {
    if (this.timed) {
      const scale = this.box / view.end;
      const height = this.svg.viewBox.baseVal.height;
      this.svg.setAttribute("viewBox", `${this.from * scale} 0 ${(this.to - this.from) * scale} ${height}`);
      this.plot.classList.toggle("zoomed", this.zoomed);
      this.closer.disabled = this.to - this.from <= this.least();
      this.wider.disabled = this.whole.disabled = !this.zoomed;
      this.range.textContent = this.zoomed ? this.when(this.from, this.to) : "";
      this.marked();
    }
    this.shapes();
    this.labelled();
    if (this.index !== null) this.show(this.index);
  }

  // The shapes of the series that are shown, as high as there is room for them.
  shapes() {
    const { columns, y } = this.data;
    const paths = new Map(columns.map((_, n) => [n, this.svg.querySelectorAll(`[data-c="${n}"]`)]));
    for (const [n, shapes] of paths) for (const shape of shapes) shape.toggleAttribute("hidden", this.hidden.has(n));
    if (y[0] !== "linear" || this.data.across === "numbers") return;
    const drawn = columns.map((column, n) => [n, column.draw]).filter(([n, draw]) => draw !== "not" && !this.hidden.has(n));
    let most = 0;
    for (const row of this.rows) {
      if (row[1] < this.from || row[0] > this.to) continue;
      let stacked = 0;
      for (const [n, draw] of drawn) {
        const value = this.value(row, n) ?? 0;
        if (draw === "stack") stacked += value;
        most = Math.max(most, value, stacked);
      }
    }
    this.most = most > 0 ? most * 1.08 : 1;
    const px = (x) => (x / this.data.x[2]) * this.box;
    const py = (value) => 1000 - (Math.min(value, this.most * 1.5) / this.most) * 1000;
    const floor = this.rows.map(() => 0);
    for (const [n, draw] of drawn) {
      let area = "", line = "", open = false;
      this.rows.forEach((row, index) => {
        const value = this.value(row, n);
        const low = draw === "stack" ? floor[index] : 0;
        const high = low + (value ?? 0);
        const [from, to] = [px(row[0]).toFixed(2), px(row[1]).toFixed(2)];
        if (high > low) area += `M${from} ${py(low).toFixed(1)}V${py(high).toFixed(1)}H${to}V${py(low).toFixed(1)}z`;
        if (value !== null) line += `${open ? "L" : "M"}${from} ${py(value).toFixed(1)}H${to}`;
        open = value !== null;
        if (draw === "stack") floor[index] = high;
      });
      for (const shape of paths.get(n)) shape.setAttribute("d", shape.classList.contains("area") ? area : line);
    }
  }

  // Marks on the axes, no nearer to each other than their words need.
  labelled() {
    const { across, y } = this.data;
    if (!this.timed || !y) {
      if (this.timed) this.ticks("xt", this.times());
      return;
    }
    this.ticks("xt", this.times());
    this.ticks("yt", valueTicks(this.most, 4).map((at) => [at / this.most, SHOWN[this.data.scaled](at)]));
    let grid = "";
    for (const [at] of this.times()) grid += `M${((this.from + at * (this.to - this.from)) / this.data.x[2]) * this.box} 0V1000`;
    for (const at of valueTicks(this.most, 4)) grid += `M0 ${1000 - (at / this.most) * 1000}H${this.box}`;
    const [first, ...others] = this.svg.querySelectorAll(".grid");
    first.setAttribute("d", grid);
    for (const other of others) other.remove();
  }

  times() {
    const count = Math.max(2, Math.min(9, this.plot.clientWidth / (this.begins === null ? 72 : 84)));
    return timeTicks(this.from, this.to, count, this.begins).map(([at, label]) => [this.left(at), label]);
  }

  ticks(kind, ticks) {
    for (const old of this.plot.querySelectorAll(`.${kind}`)) old.remove();
    for (const [at, label] of ticks) {
      const span = add(this.plot, "span", kind, label);
      span.style[kind === "xt" ? "left" : "bottom"] = `${at * 100}%`;
      if (kind !== "xt") continue;
      // The last one may stand out by the card's padding and no further.
      const beyond = span.offsetWidth / 2 - (1 - at) * this.plot.clientWidth - 8;
      if (beyond > 0) span.style.marginLeft = `${-beyond}px`;
    }
  }

  // Labels of moments, in up to three rows above the plot; one without room is left to the readout.
  marked() {
    const free = [-Infinity, -Infinity, -Infinity];
    const width = this.plot.clientWidth;
    for (const { element, from } of this.marks) {
      element.className = "mark placed";
      const x = this.left(from) * width;
      const size = element.offsetWidth;
      const start = x + size + 3 > width + 8 ? x - size - 3 : x + 3;
      const row = free.findIndex((end) => start >= end);
      const shows = x >= -1 && x <= width + 1 && row >= 0;
      element.classList.toggle("without-room", !shows);
      if (!shows) continue;
      free[row] = start + size + 6;
      element.style.left = `${start}px`;
      element.style.top = `${[-18, -35, 6][row]}px`;
    }
  }
}

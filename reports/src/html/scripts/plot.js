// What a reader can do with a plot: read its values by pointer, touch and keyboard, and choose a range of time.
const KEYS = "Left and right arrows move the readout, with Page keys by ten. Shift and arrows choose a range, Enter zooms "
  + "into it. Plus and minus zoom, Escape shows the whole run.";

class Plot extends Drawing {
  // What lies at a place, in words: a title, and [class, name, value] for each line.
  words(index) {
    const row = this.rows[index];
    const lines = [];
    this.data.columns.forEach((column, n) => {
      const value = this.value(row, n);
      if (value === null || this.hidden.has(n)) return;
      const per = column.unit === "rate" && this.data.per[1] === "per second" ? " /s" : "";
      lines.push([column.class, column.name, SHOWN[column.unit](value) + per]);
    });
    if (this.timed) lines.push(...this.during(row).map((label) => ["", label, ""]));
    return [this.title(index), lines];
  }

  title(index) {
    if (this.data.titles?.length) return this.data.titles[index];
    const [from, to] = this.rows[index];
    if (this.data.across === "nines") {
      return `${((1 - 10 ** -to) * 100).toFixed(Math.max(1, Math.floor(to)))} %`;
    }
    return this.when(from, to);
  }

  when(from, to) {
    const step = 10 ** Math.floor(Math.log10(Math.max(to - from, 1e-6)) + 1e-9);
    const text = `${elapsed(from, step)} to ${elapsed(to, step)}`;
    return this.begins === null ? text : `${civil(this.begins + from, to - from, "both")}, ${text}`;
  }

  // What was going on meanwhile.
  during([from, to]) {
    return this.marks.filter((mark) => mark.from < to && mark.to >= from).map((mark) => mark.label);
  }

  // What a readout needs: a slider for those who do not see it, a line and a box for those who do.
  readout() {
    const { plot } = this;
    plot.tabIndex = 0;
    plot.setAttribute("role", "slider");
    plot.setAttribute("aria-label", this.svg.getAttribute("aria-label"));
    plot.setAttribute("aria-valuemin", "0");
    plot.setAttribute("aria-valuemax", String(Math.max(0, this.rows.length - 1)));
    plot.setAttribute("aria-valuenow", "0");
    plot.setAttribute("aria-valuetext", this.rows.length ? this.spoken(0) : "no values");
    plot.setAttribute("aria-description", KEYS);
    this.chosen = add(plot, "div", "chosen");
    this.cross = add(plot, "div", "cross");
    this.tip = add(plot, "div", "tip");
    this.help = add(plot, "p", "help", this.timed
      ? "\u2190 \u2192 move \u00b7 Shift choose a range \u00b7 Enter zoom \u00b7 + \u2212 \u00b7 Esc whole run" : "\u2190 \u2192 move");
    this.hide();
  }

  spoken(index) {
    const [title, lines] = this.words(index);
    return `${title}: ${lines.map(([, name, value]) => `${name} ${value}`.trim()).join(", ")}`;
  }

  hide() { this.cross.hidden = this.tip.hidden = this.chosen.hidden = true; }

  show(index) {
    if (!this.rows.length) return;
    this.index = Math.max(0, Math.min(this.rows.length - 1, index));
    const row = this.rows[this.index];
    const [title, lines] = this.words(this.index);
    this.tip.replaceChildren();
    add(this.tip, "b", "", title);
    for (const [kind, name, value] of lines) {
      const line = add(this.tip, "p");
      add(line, "i", kind);
      add(line, "span", "", name);
      add(line, "em", "", value);
    }
    this.plot.setAttribute("aria-valuenow", String(this.index));
    this.plot.setAttribute("aria-valuetext", this.spoken(this.index));
    this.cross.hidden = this.tip.hidden = false;
    const width = this.plot.clientWidth;
    const at = Math.max(0, Math.min(1, this.left(this.middle(row)))) * width;
    this.cross.style.left = `${at}px`;
    const size = this.tip.offsetWidth;
    const right = at + 12 + size <= width + 4 ? at + 12 : at - size - 12;
    this.tip.style.left = `${Math.max(-40, Math.min(right, width - size))}px`;
    this.choose();
  }

  middle(row) { return this.data.across === "nines" ? row[1] : (row[0] + row[1]) / 2; }

  // The range that is being chosen, from where it was begun to the readout.
  choose() {
    const range = this.picked();
    this.chosen.hidden = range === null;
    if (range === null) return;
    this.chosen.style.left = `${Math.max(0, this.left(range[0])) * 100}%`;
    this.chosen.style.right = `${Math.max(0, 1 - this.left(range[1])) * 100}%`;
  }

  picked() {
    if (this.anchor === null || this.index === null) return null;
    const [low, high] = [Math.min(this.anchor, this.index), Math.max(this.anchor, this.index)];
    return [this.rows[low][0], this.rows[high][1]];
  }

  least() { return this.rows.length ? (this.rows[0][1] - this.rows[0][0]) * NARROWEST : view.end; }

  zoom(from, to) {
    this.anchor = null;
    zoom(from, to, Math.min(this.least(), view.end));
    say(`Shown: ${this.when(view.from, view.to)}`);
  }

  // Wider or narrower by a factor, about the readout where there is one.
  scale(by) {
    const shown = this.index !== null && this.rows[this.index];
    const inside = shown && shown[1] >= this.from && shown[0] <= this.to;
    const middle = inside ? this.middle(shown) : (this.from + this.to) / 2;
    const half = ((this.to - this.from) * by) / 2;
    this.zoom(middle - half, middle + half);
  }

  reset() {
    this.zoom(0, view.end);
    if (this.index === null) this.hide();
  }

  // The row at a place from 0 to 1.
  at(place) {
    const x = this.from + place * (this.to - this.from);
    if (this.data.across === "numbers") {
      const far = this.rows.map((row) => Math.abs(row[0] - x));
      return far.indexOf(Math.min(...far));
    }
    let low = 0, high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle][1] < x) low = middle + 1; else high = middle;
    }
    return low;
  }

  // Moves the readout; where it leaves what is shown, that follows.
  move(index) {
    this.show(index);
    const row = this.rows[this.index];
    if (!this.zoomed || (row[0] >= this.from - 1e-9 && row[1] <= this.to + 1e-9)) return;
    const width = view.to - view.from;
    const from = row[0] < view.from ? row[0] : row[1] - width;
    zoom(from, from + width, width);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.rows.length) return false;
    const now = this.index ?? this.at(0.5);
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10 }[event.key];
    const to = { Home: this.at(0), End: this.at(1) }[event.key];
    if (by !== undefined || to !== undefined) {
      const next = to ?? (this.index === null ? now : now + by);
      if (this.timed) this.anchor = event.shiftKey ? (this.anchor ?? now) : null;
      this.move(next);
      return true;
    }
    if (event.key === "Escape") {
      if (this.anchor !== null) this.anchor = null;
      else if (this.zoomed) this.reset();
      else { this.index = null; this.hide(); }
      this.choose();
      return true;
    }
    if (!this.timed) return false;
    if (event.key === "Enter" && this.picked()) { this.zoom(...this.picked()); return true; }
    if (event.key === "+" || event.key === "=") { this.scale(0.5); return true; }
    if (event.key === "-") { this.scale(2); return true; }
    return false;
  }

  listen() {
    const { plot } = this;
    const place = (event) => {
      const box = plot.getBoundingClientRect();
      this.under((event.clientY - box.top) / box.height);
      return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    };
    let pressed = null;
    plot.addEventListener("keydown", (event) => { if (this.key(event)) event.preventDefault(); });
    plot.addEventListener("focus", () => { if (plot.matches(":focus-visible")) this.show(this.index ?? this.at(0.5)); });
    plot.addEventListener("blur", () => { this.anchor = null; this.hide(); });
    plot.addEventListener("pointerdown", (event) => {
      const at = place(event);
      this.anchor = null;
      this.show(this.at(at));
      if (event.pointerType === "mouse" && event.button === 0 && this.timed) pressed = { at, index: this.index, x: event.clientX };
    });
    plot.addEventListener("pointermove", (event) => {
      const at = place(event);
      if (pressed && Math.abs(event.clientX - pressed.x) > 5) this.anchor = pressed.index;
      this.show(this.at(at));
    });
    addEventListener("pointerup", () => {
      const range = pressed && this.picked();
      pressed = null;
      if (range) this.zoom(...range);
    });
    plot.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse" && !pressed && document.activeElement !== plot) { this.index = null; this.hide(); }
    });
    plot.addEventListener("dblclick", () => { if (this.timed) this.reset(); });
  }

  // The height that the pointer is at, for plots that have rows.
  under() {}
}

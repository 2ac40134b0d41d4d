// The map of workers: a row for each, whose values are characters.
class Workers extends Plot {
  constructor(figure, data) {
    const bins = Math.max(...data.lines.map(([, level]) => level.length));
    const rows = [...Array(bins).keys()].map((bin) => [bin * data.width, Math.min((bin + 1) * data.width, data.x[2])]);
    super(figure, { ...data, rows: rows.filter(([from, to]) => to > from), columns: [] });
  }

  get line() { return this.chosenLine ?? 0; }
  set line(line) { this.chosenLine = Math.max(0, Math.min(this.data.lines.length - 1, line)); }
  under(place) { this.line = Math.floor(place * this.data.lines.length); }
  shapes() {}

  words(index) {
    const [name, level, empty] = this.data.lines[this.line];
    const tenths = (character) => (character === "+" ? 10 : Number(character));
    const lines = [["", name, ""]];
    const least = level[index];
    if (least === "-") lines.push(["", "aims for nothing", ""]);
    else if (least !== undefined) lines.push(["ready-bar", "least ready, of target", least === "+" ? "95 % or more" : `${tenths(least) * 10} %`]);
    if (empty.length > index) lines.push(["void-bar", "empty", empty[index] === "0" ? "never" : `up to ${tenths(empty[index]) * 10} % of it`]);
    return [this.when(...this.rows[index]), lines];
  }

  columns() { return [{ key: "worker" }, { key: "least_ready_tenths" }, { key: "empty_tenths" }]; }

  file() {
    const tenths = (character) => (character === undefined || character === "-" ? null : character === "+" ? 10 : Number(character));
    const rows = this.data.lines.flatMap(([name, level, empty]) =>
      this.rows.map(([from, to], bin) => [name, from, to, tenths(level[bin]), tenths(empty[bin])]));
    return csv(["worker", "from_s", "to_s", "least_ready_tenths", "empty_tenths"], rows);
  }

  show(index) {
    super.show(index);
    const share = 100 / this.data.lines.length;
    this.cross.style.setProperty("--row", `${this.line * share}%`);
    this.cross.style.setProperty("--height", `${share}%`);
  }

  key(event) {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (by === undefined) return super.key(event);
    this.line += by;
    this.show(this.index ?? this.at(0.5));
    return true;
  }
}

for (const figure of document.querySelectorAll(".figure")) {
  const data = embedded(figure);
  if (data.lines) new Workers(figure, data); else new Plot(figure, data);
}

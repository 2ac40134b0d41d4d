// Tables whose rows can be put into another order, and taken along as a file.
for (const sortable of document.querySelectorAll(".sortable")) {
  const { name, keys, rows } = embedded(sortable);
  const body = sortable.querySelector("tbody");
  const lines = [...body.rows];
  const heads = [...sortable.querySelectorAll("th")];
  const numeric = (column) => rows.every((row) => row[column] === null || typeof row[column] === "number");

  // Rows without a value come last, whichever way the others go. Equals stay as they were at first.
  const sort = (column, way) => {
    const order = rows.map((_, index) => index);
    const compare = numeric(column) ? (a, b) => a - b : (a, b) => String(a).localeCompare(String(b));
    order.sort((a, b) => {
      const [x, y] = [rows[a][column], rows[b][column]];
      if (x === null || y === null) return (x === null) - (y === null);
      return way * compare(x, y);
    });
    body.replaceChildren(...order.map((index) => lines[index]));
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
  };

  heads.forEach((head, column) => {
    const text = head.textContent;
    head.textContent = "";
    button(head, text, "", () => {
      // Of numbers the largest are asked for first, of names those from A on.
      const first = numeric(column) && column > 0 ? "descending" : "ascending";
      const now = head.getAttribute("aria-sort");
      const next = now === null ? first : now === "ascending" ? "descending" : "ascending";
      sort(column, next === "ascending" ? 1 : -1);
    });
  });

  const tools = document.createElement("div");
  tools.className = "tools";
  button(tools, "CSV", `Download the table as CSV: ${name}`, () => download(name, csv(keys, rows)));
  sortable.prepend(tools);
}

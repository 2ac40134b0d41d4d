// A crosshair with values over each plot that carries its numbers. The page is complete without it.
"use strict";
for (const plot of document.querySelectorAll(".plot")) {
  const data = plot.querySelector("script[type='application/json']");
  if (!data) continue;
  const { names, rows } = JSON.parse(data.textContent);
  if (!rows.length) continue;
  const ends = rows.map((row) => Number(row[0]));
  const add = (name, parent) => parent.appendChild(document.createElement(name));
  const cross = add("div", plot), tip = add("div", plot);
  cross.className = "cross";
  tip.className = "tip";
  const hide = (yes) => { cross.hidden = tip.hidden = yes; };
  hide(true);
  const at = (x) => {
    let low = 0, high = ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle] < x) low = middle + 1; else high = middle;
    }
    return low;
  };
  const show = (index, x) => {
    const [, title, values] = rows[index];
    tip.replaceChildren();
    add("b", tip).textContent = title;
    names.forEach(([kind, name], n) => {
      const line = add("p", tip);
      if (values[n] === "0" || values[n] === "0s") line.className = "zero";
      add("i", line).className = kind;
      add("em", line).textContent = name;
      add("span", line).textContent = values[n];
      line.children[1].style.fontStyle = "normal";
      line.children[2].style.cssText = "position:static;color:inherit;font-size:inherit";
    });
    hide(false);
    cross.style.left = x * 100 + "%";
    const room = plot.clientWidth - tip.offsetWidth - 12;
    const left = x * plot.clientWidth + 12;
    tip.style.left = (left > room ? Math.max(0, x * plot.clientWidth - tip.offsetWidth - 12) : left) + "px";
  };
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const x = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    show(at(x), x);
  });
  plot.addEventListener("pointerleave", () => hide(true));
}

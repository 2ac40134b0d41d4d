// Elements, files made of what the page holds, and what is said to a screen reader.
const add = (parent, name, className, text) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
};

const button = (parent, text, label, press) => {
  const made = add(parent, "button", "", text);
  made.type = "button";
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", press);
  return made;
};

const embedded = (element) => {
  const script = element.querySelector("script[type='application/json']");
  return script && JSON.parse(script.textContent);
};

const csv = (head, rows) => {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [head, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
};

const run = document.title.replace(/ - warmpool$/, "").replace(/[^A-Za-z0-9._-]+/g, "-");

const download = (name, text) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = `${run}-${name}.csv`;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
};

const status = add(document.body, "div", "unseen");
status.setAttribute("role", "status");
const say = (text) => { status.textContent = text; };

// Every text that a reader may want elsewhere, such as the scenario, can be copied.
for (const text of document.querySelectorAll("pre")) {
  const around = document.createElement("div");
  around.className = "copyable";
  text.replaceWith(around);
  around.append(text);
  const made = button(around, "Copy", "", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      // Without leave to write to the clipboard the text is at least selected, to be copied by hand.
      getSelection().selectAllChildren(text);
      document.execCommand("copy");
    }
    made.textContent = "Copied";
    say("Copied");
    setTimeout(() => { made.textContent = "Copy"; }, 2000);
  });
}

// What is folded away is printed all the same.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});

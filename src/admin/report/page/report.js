for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const number = text => Number(text.replaceAll(",", ""));
  heads.forEach((head, column) => {
    const button = document.createElement("button"), numeric = head.classList.contains("n");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const order = head.ariaSort ? (head.ariaSort === "ascending" ? -1 : 1) : numeric ? -1 : 1;
      const text = row => row.cells[column].textContent;
      const compare = (a, b) => numeric ? number(text(a)) - number(text(b)) : text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.ariaSort = order > 0 ? "ascending" : "descending";
      body.append(...[...body.rows].sort((a, b) => order * compare(a, b)));
    });
  });
  if (body.rows.length < 2) continue;
  const filter = document.createElement("input");
  filter.type = "search";
  filter.placeholder = "Filter";
  filter.setAttribute("aria-label", "Filter: " + table.caption.textContent);
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  table.parentElement.before(filter);
}

"use strict";

// Sort tables by a column: numbers ascending or descending, texts by their letters.
function valueOf(row, place) {
  return row.cells[place].dataset.value;
}

function compare(one, other) {
  const first = Number(one);
  const second = Number(other);
  if (Number.isNaN(first) || Number.isNaN(second)) {
    return one.localeCompare(other, "en", { numeric: true });
  }
  return first === second ? 0 : first < second ? -1 : 1;
}

function sortBy(table, place) {
  const heads = [...table.tHead.rows[0].cells];
  const head = heads[place];
  const wasAscending = head.getAttribute("aria-sort") === "ascending";
  for (const other of heads) {
    other.removeAttribute("aria-sort");
  }
  head.setAttribute("aria-sort", wasAscending ? "descending" : "ascending");
  const sign = wasAscending ? -1 : 1;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  rows.sort((one, other) => sign * compare(valueOf(one, place), valueOf(other, place)));
  body.append(...rows);
  document.getElementById(`${table.id}-sorted`).textContent =
    `sorted by ${head.innerText.trim()}, ${wasAscending ? "descending" : "ascending"}`;
}

for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead button").forEach((button, place) => {
    button.addEventListener("click", () => sortBy(table, place));
  });
}

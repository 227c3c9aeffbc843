"use strict";

// Sort the table of layers by a column: numbers ascending or descending, texts by their letters.
const table = document.getElementById("layer-table");
const heads = [...table.tHead.rows[0].cells];

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

function sortBy(place) {
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
  document.getElementById("sorted").textContent =
    `sorted by ${head.innerText.trim()}, ${wasAscending ? "descending" : "ascending"}`;
}

heads.forEach((head, place) => {
  head.querySelector("button").addEventListener("click", () => sortBy(place));
});

// A link to a loop nest opens it.
function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.querySelector("summary").focus();
  }
}

addEventListener("hashchange", openTarget);
openTarget();

const nests = document.querySelectorAll("#nests details");
document.getElementById("open-all").addEventListener("click", () => {
  nests.forEach((nest) => { nest.open = true; });
});
document.getElementById("close-all").addEventListener("click", () => {
  nests.forEach((nest) => { nest.open = false; });
});

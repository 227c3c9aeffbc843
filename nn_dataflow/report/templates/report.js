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

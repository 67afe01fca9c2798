// Shows the values under the pointer, or under the arrow keys, of a chart.
for (const svg of document.querySelectorAll("svg[data-chart]")) {
  const d = JSON.parse(svg.dataset.chart), figure = svg.closest("figure"), cursor = svg.querySelector(".cursor");
  const tip = figure.appendChild(Object.assign(document.createElement("div"), { className: "tip" }));
  let at = -1;
  const hide = () => { tip.style.display = "none"; cursor.style.visibility = "hidden"; at = -1; };
  const show = (i) => {
    at = Math.max(0, Math.min(d.px.length - 1, i));
    const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width, x = d.px[at];
    cursor.setAttribute("x1", x); cursor.setAttribute("x2", x); cursor.style.visibility = "visible";
    tip.replaceChildren(Object.assign(document.createElement("b"), { textContent: d.x[at] + " " + d.unit }));
    d.names.forEach((name, k) => {
      if (d.y[k][at] === null || d.y[k][at] === undefined) return;
      tip.append(document.createElement("br"), name + ": " + d.y[k][at]);
    });
    tip.style.display = "block";
    const left = box.left - figure.getBoundingClientRect().left + x * scale;
    tip.style.left = Math.max(0, left > box.width / 2 ? left - tip.offsetWidth - 12 : left + 12) + "px";
    tip.style.top = svg.offsetTop + 24 + "px";
  };
  svg.addEventListener("pointermove", (e) => {
    const box = svg.getBoundingClientRect(), x = (e.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    let best = 0;
    d.px.forEach((p, i) => { if (Math.abs(p - x) < Math.abs(d.px[best] - x)) best = i; });
    show(best);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (e) => {
    if (e.key === "ArrowRight") show(at + 1); else if (e.key === "ArrowLeft") show(at < 0 ? d.px.length - 1 : at - 1);
    else if (e.key === "Escape") hide(); else return;
    e.preventDefault();
  });
}

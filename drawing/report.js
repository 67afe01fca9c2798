// Shows values under the pointer, and under the arrow keys, of every drawing.
// Texts enter the page as text, never as markup.
(() => {
  const make = (tag, text, cls) => Object.assign(document.createElement(tag), { textContent: text ?? "", className: cls ?? "" });
  const tip = document.body.appendChild(make("div", "", "tip"));
  tip.setAttribute("role", "status");
  const hide = () => { tip.style.display = "none"; };
  const show = (x, y, ...parts) => {
    tip.replaceChildren(...parts);
    tip.style.display = "block";
    const w = tip.offsetWidth, h = tip.offsetHeight, room = document.documentElement.clientWidth;
    tip.style.left = Math.max(4, x + 14 + w > room ? x - 14 - w : x + 14) + "px";
    tip.style.top = Math.max(4, Math.min(innerHeight - h - 4, y - h / 2)) + "px";
  };
  addEventListener("scroll", hide, { passive: true });
  // follow wires pointer and keys of an element: at(event) finds an index,
  // step(index, key) the next one, tell(index) shows it.
  const follow = (el, { at, step, tell, clear }) => {
    let i = null;
    const go = (k) => { if (k !== null && k !== undefined) { i = k; tell(k); } };
    const off = () => { i = null; hide(); clear?.(); };
    el.addEventListener("pointermove", (e) => { const k = at(e); k === null ? off() : go(k); });
    el.addEventListener("pointerleave", off);
    el.addEventListener("blur", off);
    el.addEventListener("keydown", (e) => {
      if (e.key === "Escape") off();
      else if (e.key.startsWith("Arrow")) go(step(i, e.key));
      else return;
      e.preventDefault();
    });
  };
  const clamp = (v, n) => Math.max(0, Math.min(n - 1, v));
  const way = (key) => (key === "ArrowRight" || key === "ArrowDown" ? 1 : -1);
  const number = (s) => parseFloat(s.replaceAll(",", ""));

  for (const plot of document.querySelectorAll("[data-chart]")) {
    const d = JSON.parse(plot.dataset.chart), cursor = plot.querySelector(".cursor");
    if (!d.at) continue;
    follow(plot, {
      at: (e) => {
        const box = plot.getBoundingClientRect(), x = (e.clientX - box.left) / box.width * 1000;
        let best = 0;
        d.at.forEach((p, k) => { if (Math.abs(p - x) < Math.abs(d.at[best] - x)) best = k; });
        return best;
      },
      step: (i, key) => clamp(i === null ? 0 : i + way(key), d.at.length),
      clear: () => { cursor.style.display = "none"; },
      tell: (i) => {
        const box = plot.getBoundingClientRect(), table = make("table");
        cursor.style.left = d.at[i] / 10 + "%";
        cursor.style.display = "block";
        let total = 0;
        for (const s of d.s) {
          if (!s.y[i]) continue;
          if (!s.u) total += number(s.y[i]);
          const row = table.insertRow(), name = row.insertCell();
          name.append(...(s.u ? [s.n] : [make("i", "", s.k), s.n]));
          row.insertCell().textContent = s.y[i] + " " + (s.u || d.yu);
        }
        if (d.total && d.s.length > 1) {
          const row = table.insertRow();
          row.insertCell().textContent = "together";
          row.insertCell().textContent = Math.round(total * 100) / 100 + " " + d.yu;
        }
        show(box.left + d.at[i] / 1000 * box.width, box.top + 90, make("b", d.x[i] + " " + d.xu), table);
      },
    });
  }

  for (const plot of document.querySelectorAll("[data-grid]")) {
    const d = JSON.parse(plot.dataset.grid), mark = plot.querySelector(".cell"), cols = d.x.length, rows = d.rows.length;
    follow(plot, {
      at: (e) => {
        const box = plot.getBoundingClientRect();
        return clamp(Math.floor((e.clientY - box.top) / box.height * rows), rows) * cols + clamp(Math.floor((e.clientX - box.left) / box.width * cols), cols);
      },
      step: (i, key) => {
        if (i === null) return 0;
        const r = Math.floor(i / cols), c = i % cols, up = key === "ArrowUp" || key === "ArrowDown";
        return clamp(up ? r + way(key) : r, rows) * cols + clamp(up ? c : c + way(key), cols);
      },
      clear: () => { mark.style.display = "none"; },
      tell: (i) => {
        const r = Math.floor(i / cols), c = i % cols, box = plot.getBoundingClientRect(), v = d.v.slice(2 * i, 2 * i + 2);
        Object.assign(mark.style, { display: "block", left: c / cols * 100 + "%", top: r / rows * 100 + "%", width: 100 / cols + "%", height: 100 / rows + "%" });
        show(box.left + (c + .5) / cols * box.width, box.top + (r + .5) / rows * box.height,
          make("b", v === "xx" ? "takes no work" : parseInt(v, 16) + " % in use"), make("div", d.rows[r]), make("div", "to " + d.x[c] + " " + d.xu));
      },
    });
  }

  for (const panel of document.querySelectorAll(".panel")) {
    const groups = [...panel.querySelectorAll("svg")].map((svg) => {
      const names = JSON.parse(svg.dataset.names) ?? [""];
      return { svg, prefix: names[0], names: names.slice(1), v: svg.dataset.cells, cols: svg.viewBox.baseVal.width, rows: svg.viewBox.baseVal.height };
    });
    const starts = [];
    let total = 0;
    for (const g of groups) { starts.push(total); total += g.names.length; }
    const find = (i) => { let k = starts.length - 1; while (k > 0 && starts[k] > i) k--; return [groups[k], i - starts[k]]; };
    follow(panel, {
      at: (e) => {
        const k = groups.findIndex((g) => g.svg.contains(e.target) || g.svg === e.target);
        if (k < 0) return null;
        const g = groups[k], box = g.svg.getBoundingClientRect();
        const i = clamp(Math.floor((e.clientY - box.top) / box.height * g.rows), g.rows) * g.cols + clamp(Math.floor((e.clientX - box.left) / box.width * g.cols), g.cols);
        return i < g.names.length ? starts[k] + i : null;
      },
      step: (i, key) => {
        if (i === null) return 0;
        const by = key === "ArrowUp" || key === "ArrowDown" ? groups[0].cols : 1;
        return clamp(i + by * way(key), total);
      },
      tell: (i) => {
        const [g, k] = find(i), box = g.svg.getBoundingClientRect(), v = g.v.slice(2 * k, 2 * k + 2);
        show(box.left + (k % g.cols + .5) / g.cols * box.width, box.top + (Math.floor(k / g.cols) + .5) / g.rows * box.height,
          make("b", g.prefix + g.names[k]), make("div", v === "xx" ? "takes no work" : parseInt(v, 16) + " % in use"));
      },
    });
  }

  for (const el of document.querySelectorAll(".bars, .dots")) {
    const parts = [...el.querySelectorAll("[data-tip]")];
    const clear = () => parts.forEach((p) => p.classList.remove("on"));
    follow(el, {
      at: (e) => { const k = parts.indexOf(e.target.closest?.("[data-tip]")); return k < 0 ? null : k; },
      step: (i, key) => clamp(i === null ? 0 : i + way(key), parts.length),
      clear,
      tell: (i) => {
        clear();
        if (!parts[i]) return;
        parts[i].classList.add("on");
        const box = parts[i].getBoundingClientRect();
        show(box.left + box.width / 2, box.top - 18, make("div", parts[i].dataset.tip));
      },
    });
  }
})();

"use strict";
(() => {
  const panel = document.getElementById("network");
  const points = [...document.querySelectorAll(".points [data-network]")];
  let data = null;

  // Panels are packed as gzip in base64; unpacked once, when the first is asked for.
  async function unpacked() {
    const text = document.getElementById("data").textContent.trim();
    const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  // Places are told by their distance from the place before, along each axis, in hundredths of a pixel.
  function restored(text) {
    const last = { x: 0, y: 0 };
    const place = (step, axis) => String((last[axis] += Number(step)) / 100);
    const pattern = /( (?:c?[xy]|[xy][12])=")(-?\d+)(?=")|( d=")([^"]*)(?=")/g;
    return text.replace(pattern, (all, name, step, begin, path) => {
      if (name) return name + place(step, name.includes("x") ? "x" : "y");
      let count = 0;
      return begin + path.replace(/-?\d+/g, (one) => place(one, count++ % 2 ? "y" : "x"));
    });
  }

  async function html(number) {
    data ??= unpacked();
    const { lines, pages } = await data;
    return number in pages ? restored(pages[number].map((at) => lines[at]).join("\n")) : null;
  }

  function mark(number) {
    for (const point of points) point.classList.toggle("chosen", point.dataset.network === number);
  }

  async function choose(number, quietly) {
    if (!panel) return;
    let found = null;
    try {
      found = await html(number);
    } catch (error) {
      panel.textContent = "This browser cannot unpack the networks of this page; a newer one can.";
      return;
    }
    if (found === null) return;
    panel.innerHTML = found;
    panel.dataset.shown = number;
    mark(number);
    if (quietly) return;
    const seen = panel.getBoundingClientRect();
    if (seen.top > innerHeight * 0.85 || seen.bottom < 0) panel.scrollIntoView({ block: "start" });
  }

  // Arrows go from point to point by their place in the figure, as they are drawn from left to right.
  function neighbour(point, step) {
    const place = (one) => one.transform.baseVal.consolidate().matrix.e;
    const row = [...point.ownerSVGElement.querySelectorAll(".points [data-network]")].sort((a, b) => place(a) - place(b));
    return row[row.indexOf(point) + step];
  }

  // A drawing at its own size; Escape or a click closes it.
  function enlarge(drawing) {
    const large = document.createElement("dialog");
    large.append(drawing.querySelector("svg").cloneNode(true));
    large.addEventListener("click", () => large.close());
    large.addEventListener("close", () => large.remove());
    document.body.append(large);
    large.showModal();
  }

  document.addEventListener("click", (event) => {
    const drawing = event.target.closest(".drawing");
    if (drawing) enlarge(drawing);
    const asked = event.target.closest("[data-network]");
    if (!asked) return;
    event.preventDefault();
    choose(asked.dataset.network);
  });

  document.addEventListener("keydown", (event) => {
    const pressed = event.key === "Enter" || event.key === " ";
    if (pressed && event.target.matches(".drawing")) {
      event.preventDefault();
      enlarge(event.target);
    }
    const point = event.target.closest(".points [data-network]");
    if (!point) return;
    if (pressed) {
      event.preventDefault();
      choose(point.dataset.network);
    }
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step && neighbour(point, step);
    if (next) {
      event.preventDefault();
      next.focus();
    }
  });

  // What is folded would be missing on paper.
  const folded = [];
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details:not([open])")) {
      folded.push(one);
      one.open = true;
    }
  });
  addEventListener("afterprint", () => {
    for (const one of folded.splice(0)) one.open = false;
  });

  if (panel) choose(panel.dataset.first, true);
})();

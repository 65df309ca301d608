// Draw the charts with Plotly: each when it comes near the screen, in the colours of the page.
"use strict";
const page = JSON.parse(document.getElementById("data").textContent);
const chosen = new Set(page.methods.map((method) => method.name));
const lookOf = new Map(page.methods.map((method) => [method.name, method]));
const dark = matchMedia("(prefers-color-scheme: dark)");
const shown = new Map(); // what draws each chart that was drawn, by its element

// Plotly reads some tags in its texts: names are shown as they are.
const plain = (text) =>
  String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll("\n", "<br>");
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isDark = () => dark.matches && !document.documentElement.classList.contains("on-paper");
const colourOf = (look) => (isDark() ? look.dark : look.colour);

function element(tag, attributes, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
}

// --- series

function traces(part) {
  if (part.method !== null && !chosen.has(part.method)) return [];
  if (part.kind === "matrix") return [matrix(part)];
  const look = lookOf.get(part.method);
  const color = look ? colourOf(look) : css("--dim");
  const base = {
    x: part.x, y: part.y, showlegend: false, name: plain(part.method ?? ""),
    text: (part.hover ?? []).map(plain), hovertemplate: "%{text}<extra></extra>",
    line: { color, dash: look?.dash, width: 2 },
    marker: { color, symbol: look?.symbol, size: 7 },
  };
  if (part.error) {
    const axis = part.error_of === "x" ? "error_x" : "error_y";
    base[axis] = { array: part.error, color, thickness: 1.4, width: 4 };
  }
  switch (part.kind) {
    case "measured":
      return [{ ...base, mode: "lines+markers", line: { ...base.line, width: 1 } }];
    case "published":
      return [{ ...base, mode: "markers",
        marker: { color, symbol: `${look.symbol}-open`, size: 13 } }];
    case "difference":
      return [{ ...base, mode: "markers" }];
    case "points":
      return [{ ...base, mode: "lines+markers" }];
    case "line":
      return [{ ...base, mode: "lines" }];
    case "thin":
      return [{ ...base, mode: "lines", opacity: 0.65, line: { ...base.line, width: 1 } }];
    case "reference":
      return [{ ...base, mode: "lines", hoverinfo: "skip", hovertemplate: null,
        line: { color, dash: "dot", width: 1.2 } }];
    case "box":
      return box(part, base, color);
    default:
      throw new Error(`no such kind: ${part.kind}`);
  }
}

// Quantiles: a thin line for 90% of the tasks, a thick one for half of them, median and mean.
function box(part, base, color) {
  const [lowest, low, quarter, median, upper, high, highest] = part.x;
  const place = part.y[0];
  const line = (x, width) => ({
    ...base, x, y: x.map(() => place), mode: "lines", line: { color, width },
    text: x.map(() => plain(part.hover[0])),
  });
  const points = {
    ...base, x: [lowest, median, part.mean, highest], y: Array(4).fill(place), mode: "markers",
    text: Array(4).fill(plain(part.hover[0])),
    marker: {
      color: [color, css("--paper"), css("--paper"), color],
      symbol: ["circle", "line-ns-open", "diamond", "circle"],
      size: [4, 14, 7, 4], line: { width: [0, 2, 1, 0], color: css("--paper") },
    },
  };
  return [line([low, high], 2), line([quarter, median, upper], 14), points];
}

function matrix(part) {
  const rows = part.y.map((name, row) => row).filter((row) => chosen.has(part.y[row]));
  const pick = (table) => rows.map((row) => table[row]);
  const most = Math.max(1, ...part.z.flat().map((value) => Math.abs(value ?? 0)));
  const limit = Math.min(15, Math.ceil(most)); // a method at chance would pale all others
  return {
    type: "heatmap", x: part.x.map(plain), y: pick(part.y).map(plain), z: pick(part.z),
    text: pick(part.words), texttemplate: "%{text}", textfont: { color: css("--ink") },
    hovertemplate: "%{hovertext}<extra></extra>",
    hovertext: pick(part.hover).map((row) => row.map(plain)), xgap: 2, ygap: 2,
    zmin: -limit, zmax: limit, hoverongaps: false,
    colorscale: [[0, isDark() ? "#a8443a" : "#e58368"], [0.5, css("--soft")],
      [1, isDark() ? "#2f6fae" : "#6baed6"]],
    colorbar: { title: { text: "to the best baseline,<br>points" }, thickness: 10, outlinewidth: 0,
      tickcolor: css("--ink") },
  };
}

// --- a chart

function axisOf(axis, log, first) {
  const made = {
    title: { text: plain(axis.title), standoff: 8 }, automargin: true, zeroline: false,
    gridcolor: css("--line"), linecolor: css("--line"), tickcolor: css("--line"),
  };
  if (axis.ticks) {
    made.tickvals = Object.keys(axis.ticks).map(Number);
    made.ticktext = Object.values(axis.ticks).map(plain);
  }
  if (axis.range && !log) made.range = [...axis.range];
  if (log) {
    made.type = "log";
    made.dtick = 1;
    if (first) { // steps from 0 stand one place further, where a logarithm is
      const steps = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];
      made.tickvals = steps.map((step) => step + 1);
      made.ticktext = steps.map(String);
    }
  }
  return made;
}

function layoutOf(chart, logs) {
  return {
    xaxis: axisOf(chart.x, logs.has("x"), chart.first),
    yaxis: axisOf(chart.y, logs.has("y")),
    height: chart.height ?? 320, margin: { l: 55, r: 20, t: 30, b: 45 },
    paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { family: "system-ui, sans-serif", size: 12, color: css("--ink") },
    hoverlabel: { bgcolor: css("--paper"), bordercolor: css("--dim"), align: "left",
      font: { color: css("--ink") } },
    hovermode: "closest",
    modebar: { bgcolor: "transparent", color: css("--dim"), activecolor: css("--ink") },
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", // a finger scrolls
  };
}

const config = {
  responsive: true, displaylogo: false,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]], // none that uploads
};

function draw(place, chart, logs) {
  const parts = chart.series.map((part) =>
    chart.first && logs.has("x") ? { ...part, x: part.x.map((step) => step + 1) } : part);
  const layout = layoutOf(chart, logs);
  if (chart.series[0]?.kind === "matrix") layout.yaxis.autorange = "reversed";
  Plotly.react(place, parts.flatMap(traces), layout, config);
}

// --- the page

const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    shown.get(target)();
  }
}, { rootMargin: "600px" });

function register(place, update) {
  let drawn = false;
  shown.set(place, () => { drawn = true; update(); });
  place.redraw = () => drawn && update();
  watcher.observe(place);
}

function redraw() {
  for (const place of shown.keys()) place.redraw();
}

// On paper, static figures stand for charts that have one; the others are drawn in its width.
const PAPER = 640;

addEventListener("beforeprint", () => {
  document.documentElement.classList.add("on-paper");
  for (const [place, update] of shown) {
    if (place.closest(".drawn-too")) continue;
    update();
    Plotly.relayout(place, { width: PAPER });
  }
});

addEventListener("afterprint", () => {
  document.documentElement.classList.remove("on-paper");
  redraw();
});

function card(title, place) {
  return element("div", { className: "card" }, element("p", { textContent: title }), place);
}

function figure(panels) {
  const charts = page.figures[panels.dataset.figure];
  const names = new Set(charts.flatMap((chart) => chart.logs ?? []));
  const logs = new Set(charts.flatMap((chart) => chart.log ?? []));
  const places = [];
  for (const chart of charts) {
    const place = element("div", { className: "chart" });
    place.style.minHeight = `${chart.height ?? 320}px`;
    panels.append(card(chart.title, place));
    const own = () => new Set([...logs].filter((name) => chart.logs?.includes(name)));
    register(place, () => draw(place, chart, own()));
    places.push(place);
  }
  if (!names.size) return;
  const tools = element("div", { className: "tools" });
  for (const name of names) {
    const last = charts[charts.length - 1];
    const box = element("input", { type: "checkbox", checked: logs.has(name) });
    box.addEventListener("change", () => {
      logs[box.checked ? "add" : "delete"](name);
      for (const place of places) place.redraw();
    });
    tools.append(element("label", {}, box, ` ${last[name].title}: logarithmic`));
  }
  panels.before(tools);
}

function chips() {
  const place = document.getElementById("chips");
  place.className = "chips";
  const choose = (box, number, checked) => {
    box.checked = checked;
    chosen[checked ? "add" : "delete"](box.value);
    document.documentElement.classList.toggle(`without-${number}`, !checked);
  };
  const boxes = page.methods.map((method, number) => {
    const box = element("input", { type: "checkbox", checked: true, value: method.name });
    box.addEventListener("change", () => {
      choose(box, number, box.checked);
      redraw();
    });
    const mark = element("span", { className: `m${number}`, textContent: method.mark });
    place.append(element("label", {}, box, mark, element("span", {}, method.name)));
    return box;
  });
  const all = element("button", { className: "plain", textContent: "all / none" });
  all.addEventListener("click", () => {
    const every = boxes.every((box) => box.checked);
    boxes.forEach((box, number) => choose(box, number, !every));
    redraw();
  });
  place.append(all);
}

// The library is compressed, which halves the page. The policy of the page names its checksum.
async function load() {
  const text = document.getElementById("library").textContent;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  document.head.append(element("script", { textContent: await new Response(stream).text() }));
}

async function start() {
  await load();
  document.documentElement.classList.add("charted");
  chips();
  document.querySelectorAll(".panels").forEach((panels) => figure(panels));
  paired();
  dark.addEventListener("change", redraw);
  document.documentElement.dataset.ready = "yes";
}

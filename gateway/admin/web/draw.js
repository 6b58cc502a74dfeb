/* draw: the chain and the plot as SVG. Text goes in as text nodes only: names come from clients and configurations. */
"use strict";

const draw = (() => {
  function svg(name, attributes, parent) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (parent) parent.append(made);
    return made;
  }

  function label(parent, x, y, kind, text, anchor) {
    const made = svg("text", { x, y, class: kind, "text-anchor": anchor || "start" }, parent);
    made.textContent = text;
    return made;
  }

  function cut(text, most) {
    const letters = [...String(text)];
    return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : letters.join("");
  }

  /* ---- Client -> gateway -> upstream ---- */

  const WIDTH = 1200, NODE = 300, HEIGHT = 52, GAP = 14;

  function node(parent, x, y, item, height) {
    const group = svg("g", { class: `node ${item.state}` }, parent);
    svg("title", {}, group).textContent = `${item.title}: ${item.text}`;
    svg("rect", { x, y, width: NODE, height, rx: 9 }, group);
    svg("rect", { x, y: y + 8, width: 5, height: height - 16, rx: 2, class: "bar" }, group);
    const middle = y + height / 2;
    label(group, x + 18, middle - 5, "title", cut(item.title, 32));
    label(group, x + 18, middle + 14, "soft", cut(item.text, 44));
  }

  function edge(parent, from, to, state) {
    const bend = (to.x - from.x) / 2;
    svg("path", { class: `edge ${state}`,
      d: `M${from.x} ${from.y}C${from.x + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}` }, parent);
    if (state === "down") {
      const x = (from.x + to.x) / 2, y = (from.y + to.y) / 2;
      svg("path", { class: "edge cross", d: `M${x - 6} ${y - 6}l12 12m0 -12l-12 12` }, parent);
    }
  }

  /* items: {title, text, state: up, idle, down, attack}; south and north lists of them, gateway one. */
  function chain(place, south, gateway, north) {
    const rows = Math.max(south.length, north.length, 1);
    const height = rows * (HEIGHT + GAP) + GAP;
    const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img" });
    const words = (list) => list.map((item) => `${item.title}: ${item.text}`).join("; ");
    root.setAttribute("aria-label", `Clients: ${words(south) || "none"}. Gateway ${gateway.title}: ${gateway.text}. ` +
      `Upstreams and mitigators: ${words(north) || "none"}.`);
    const middle = height / 2, left = (WIDTH - NODE) / 2;
    const at = (list, index) => middle + (index - (list.length - 1) / 2) * (HEIGHT + GAP);
    south.forEach((item, i) => edge(root, { x: NODE, y: at(south, i) }, { x: left, y: middle }, item.state));
    north.forEach((item, i) => edge(root, { x: left + NODE, y: middle }, { x: WIDTH - NODE, y: at(north, i) }, item.state));
    south.forEach((item, i) => node(root, 1, at(south, i) - HEIGHT / 2, item, HEIGHT));
    node(root, left, middle - HEIGHT / 2, gateway, HEIGHT);
    north.forEach((item, i) => node(root, WIDTH - NODE - 1, at(north, i) - HEIGHT / 2, item, HEIGHT));
    if (!south.length) label(root, 1, middle + 5, "soft", "no client is connected");
    if (!north.length) label(root, WIDTH - 1, middle + 5, "soft", "no upstream is configured", "end");
    place.replaceChildren(root);
  }

  /* ---- Over time ---- */

  const PLOT = { width: 1200, height: 260, left: 78, right: 12, top: 10, bottom: 26 };
  const COLOURS = 6, POINTS_MIN = 30, AVERAGED = 3; /* points; five minutes at least: a gateway that was just started does not draw at the edge */

  function steps(most) {
    const rough = most / 4, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((each) => each >= rough);
    const found = [];
    for (let value = 0; value < most + step; value += step) found.push(value);
    return found;
  }

  /* Counters come by notifications, which do not keep step with the points. */
  function averaged(values) {
    return values.map((_, i) => {
      const some = values.slice(Math.max(0, i - AVERAGED + 1), i + 1);
      return some.reduce((total, value) => total + value, 0) / some.length;
    });
  }

  /* history: as /v1/history has it; unit "bytes" or "pkts"; format(value): a rate as text. Returns what it drew. */
  function plot(place, legend, history, unit, format) {
    const seconds = history["interval-seconds"];
    const most = history.series.reduce((count, series) => Math.max(count, series[unit].length), POINTS_MIN);
    const factor = unit === "bytes" ? 8 / seconds : 1 / seconds;
    const lines = history.series.map((series, i) => ({ name: series.name, kind: series.kind, colour: `s${i % COLOURS}`,
      values: averaged(series[unit].map((value) => value * factor)) }));
    const peak = lines.reduce((high, line) => Math.max(high, ...line.values), 0);
    const ticks = steps(peak || 1), top = ticks[ticks.length - 1];
    const box = PLOT, wide = box.width - box.left - box.right, high = box.height - box.top - box.bottom;
    const x = (age) => box.left + wide * (1 - age / (most - 1)), y = (value) => box.top + high * (1 - value / top);
    const root = svg("svg", { viewBox: `0 0 ${box.width} ${box.height}`, role: "img" });
    for (const value of ticks) {
      svg("path", { class: "grid", d: `M${box.left} ${y(value)}H${box.width - box.right}` }, root);
      label(root, box.left - 10, y(value) + 4, "soft", value || peak ? format(value, unit) : "0", "end");
    }
    for (let part = 0; part <= 6; part++) {
      const age = (most - 1) * part / 6, when = new Date(history["time-ms"] - age * seconds * 1000);
      const digits = most * seconds < 900 ? 8 : 5;
      label(root, x(age), box.height - 6, "soft", when.toTimeString().slice(0, digits), part === 0 ? "end" : part === 6 ? "start" : "middle");
    }
    for (const line of lines) {
      const points = line.values.map((value, i) => `${x(line.values.length - 1 - i).toFixed(1)} ${y(value).toFixed(1)}`);
      if (!points.length) continue;
      const path = `M${points.join("L")}`;
      svg("path", { class: `area ${line.colour}`, d: `${path}V${y(0)}H${x(line.values.length - 1)}Z` }, root);
      svg("path", { class: `line ${line.colour}`, d: path, "data-series": line.name }, root);
    }
    root.setAttribute("aria-label", lines.map((line) => `${line.name}: now ${format(line.values.at(-1) || 0, unit)}, at most ` +
      format(Math.max(0, ...line.values), unit)).join("; ") || "nothing to draw");
    place.replaceChildren(root);
    legend.replaceChildren(...lines.map((line) => {
      const item = document.createElement("li"), name = document.createElement("b"), key = svg("svg", { width: 34, height: 10, "aria-hidden": "true" });
      svg("path", { class: `line ${line.colour}`, d: "M1 5h32" }, key);
      name.textContent = cut(line.name, 60);
      item.append(key, " ", name, ` ${line.kind}, now ${format(line.values.at(-1) || 0, unit)}, ` +
        `at most ${format(Math.max(0, ...line.values), unit)}`);
      return item;
    }));
    return lines;
  }

  return { chain, plot, cut, averaged };
})();

/* page: reads /v1/... of the port that it came from, and shows it. Whatever comes is text, never markup. */
"use strict";

const EVERY = 2000, PATIENCE = 8000, CLIENTS_DRAWN = 7, ROWS = 50;
const find = (id) => document.getElementById(id);
const lists = { mitigations: { from: 0, rows: [] }, sessions: { from: 0, rows: [] } };
let unit = "bytes", history_ = null, turn = 0, heard = null;

/* ---- Words ---- */

function scaled(value, units, base) {
  let power = 0;
  while (value >= base - 0.5 && power < units.length - 1) { value /= base; power++; }
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}
const bytes = (value) => scaled(value, ["B", "kB", "MB", "GB", "TB", "PB"], 1000);
const packets = (value) => scaled(value, ["", "k", "M", "G", "T"], 1000).trim();
const rate = (value, of) => of === "bytes" ? scaled(value, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"], 1000)
  : scaled(value, ["pkt/s", "kpkt/s", "Mpkt/s", "Gpkt/s"], 1000);

function span(seconds) {
  if (seconds < 0) return "no end";
  const [d, h, m] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min` : `${seconds} s`;
}

const counted = (number, one, many) => `${number} ${number === 1 ? one : many || one + "s"}`;

/* Status of RFC 9132 table 3 -> [kind, word] */
const STATUSES = {
  "attack-mitigation-in-progress": ["attack", "▶ starting"],
  "attack-successfully-mitigated": ["good", "✔ mitigated"],
  "attack-stopped": ["good", "✔ attack is over"],
  "attack-exceeded-capability": ["bad", "✖ exceeds capability"],
  "dots-client-withdrawn-mitigation": ["warn", "◼ withdrawn"],
  "attack-mitigation-terminated": ["warn", "◼ terminated"],
  "attack-mitigation-withdrawn": ["bad", "✖ withdrawn there"],
  "attack-mitigation-signal-loss": ["warn", "◌ on signal loss"],
};
const STATES = { asked: ["warn", "… asked, no answer yet"], refused: ["bad", "✖ refused"], withdrawing: ["warn", "◼ withdrawing"] };

/* ---- Elements ---- */

function element(name, kind, ...content) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...content.filter((each) => each !== null && each !== undefined));
  return made;
}
const pill = ([kind, word]) => element("span", `pill ${kind}`, word);
const small = (text) => element("small", "", draw.cut(text, 160));

function tile(kind, term, value, more) {
  return element("div", kind, element("dt", "", term), element("dd", "", value), element("dd", "", more));
}

/* ---- Lists ---- */

function targets(scope) {
  const some = ["target-prefix", "target-fqdn", "target-uri", "alias-name"].flatMap((name) => scope[name] || []);
  const ports = (scope["target-port-range"] || []).map((range) => range["upper-port"] && range["upper-port"] !== range["lower-port"]
    ? `${range["lower-port"]}–${range["upper-port"]}` : `${range["lower-port"]}`);
  const protocols = (scope["target-protocol"] || []).map((number) => ({ 1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6" })[number] || `protocol ${number}`);
  const main = some.slice(0, 4).map((each) => draw.cut(each, 80)).join(", ") + (some.length > 4 ? ` and ${some.length - 4} more` : "");
  const more = [protocols.slice(0, 4).join(", "), ports.length ? `port ${ports.slice(0, 6).join(", ")}${ports.length > 6 ? " …" : ""}` : ""];
  return [main, more.filter(Boolean).join(", ")];
}

function mitigationRow(row) {
  const names = [...new Set(row.members.map((member) => member.client))];
  const hidden = row["member-count"] - row.members.length;
  const ids = row.members.map((member) => `${draw.cut(member.cuid, 24)}/${member.mid}`).join(", ");
  const [main, more] = targets(row.scope);
  const status = row.state === "accepted" ? STATUSES[row.status] || ["", "status not known yet"] : STATES[row.state] || ["", row.state];
  const ends = row.members.map((member) => member.lifetime);
  const longest = ends.some((each) => each < 0) ? -1 : Math.max(0, ...ends);
  const bits = row["bps-dropped"], pkts = row["pps-dropped"];
  return [
    ["", draw.cut(names.join(", "), 80) + (hidden > 0 ? ` and ${hidden} more` : ""), small(ids)],
    ["", main || "—", more ? small(more) : null],
    ["", draw.cut(row.target, 60), small(row.kind)],
    ["", pill(status), row.refusal ? small(`${row.refusal.code}: ${row.refusal.reason}`) : null],
    ["n", "bytes-dropped" in row ? bytes(row["bytes-dropped"]) : "—"],
    ["n", "pkts-dropped" in row ? packets(row["pkts-dropped"]) : "—"],
    ["n", bits === undefined ? "—" : rate(bits * 8, "bytes"), pkts === undefined ? null : small(rate(pkts, "pkts"))],
    ["n", span(longest)],
  ];
}

function health(session) {
  if (session.state === "unknown") return ["bad", "✖ unknown identity"];
  if (session.state !== "served") return ["warn", session.state === "surplus" ? "◌ over the limit" : "◼ no longer allowed"];
  if (!session["hears-us"]) return ["bad", "✖ does not hear us"];
  return session.mitigating ? ["attack", "▶ under attack"] : ["good", "✔ well"];
}

function sessionRow(session) {
  return [
    ["", draw.cut(session.client === null ? "nobody we know" : session.client, 80)],
    ["", draw.cut(session.peer.replace(/\/(udp|tcp)$/, ""), 80)],
    ["", session.transport === "udp" ? "UDP, DTLS" : "TCP, TLS"],
    ["", pill(health(session))],
    ["n", `${span(session["silent-seconds"])} ago`],
    ["n", "rtt-ms" in session ? `${session["rtt-ms"]} ms` : "—"],
    ["n", String(session.observers)],
    ["n", span(session["up-seconds"])],
  ];
}

function fill(name, rowOf, more) {
  const list = lists[name], table = find(name), section = table.closest("section");
  const body = list.rows.map((row) => element("tr", "", ...rowOf(row).map(([kind, ...content]) => element("td", kind, ...content))));
  table.tBodies[0].replaceChildren(...body);
  section.querySelector(".scroll").hidden = body.length === 0;
  section.querySelector(".empty").hidden = body.length > 0 || list.from > 0;
  pages(section.querySelector("nav"), name, more);
}

function pages(nav, name, more) {
  const list = lists[name];
  nav.hidden = list.from === 0 && !more;
  if (!nav.firstChild) {
    const turnTo = (step) => () => { list.from = Math.max(0, list.from + step * ROWS); look(); };
    const [back, on] = [element("button", "", "‹ Before"), element("button", "", "Next ›")];
    back.addEventListener("click", turnTo(-1));
    on.addEventListener("click", turnTo(1));
    nav.append(back, element("span", ""), on);
  }
  nav.children[0].disabled = list.from === 0;
  nav.children[1].textContent = list.rows.length ? `${list.from + 1} to ${list.from + list.rows.length}` : "no more";
  nav.children[2].disabled = !more;
}

/* ---- The whole ---- */

const worst = (states) => ["attack", "down", "up", "idle"].find((state) => states.includes(state)) || "idle";

/* From what the two lists show: who is attacked, and who is connected. */
function clientNodes(overview) {
  const clients = new Map();
  const of = (name) => clients.get(name) || clients.set(name, { sessions: 0, deaf: false, ids: new Set() }).get(name);
  for (const session of lists.sessions.rows) {
    const client = of(session.client === null ? "nobody we know" : session.client);
    client.sessions++;
    client.deaf = client.deaf || !session["hears-us"] || session.state !== "served";
  }
  for (const row of lists.mitigations.rows) for (const member of row.members) of(member.client).ids.add(`${member.cuid}/${member.mid}`);
  const nodes = [...clients].map(([title, client]) => ({
    title,
    state: client.ids.size ? "attack" : client.deaf ? "down" : "up",
    text: [client.sessions ? counted(client.sessions, "session") : "no session", client.deaf ? "unwell" : "",
      client.ids.size ? `asks for ${counted(client.ids.size, "mitigation")}` : "quiet"].filter(Boolean).join(" · "),
    asks: client.ids.size, sessions: client.sessions,
  })).sort((a, b) => b.asks - a.asks || a.title.localeCompare(b.title));
  const drawn = nodes.slice(0, CLIENTS_DRAWN), all = sum(overview.sessions, () => true);
  const rest = all - drawn.reduce((total, each) => total + each.sessions, 0);
  if (rest > 0) drawn.push({ title: `and ${counted(rest, "more session")}`, state: "up", text: "see the list below" });
  return drawn;
}

function targetNodes(overview) {
  return overview.targets.map((target) => ({
    title: target.name,
    state: target.state === "down" ? "down" : target.active ? "attack" : target.state === "idle" ? "idle" : "up",
    text: [target.kind === "mitigator" ? "mitigator" : target.state, "rtt-ms" in target ? `${target["rtt-ms"].toFixed(1)} ms` : "",
      target.links > 1 ? `${target.sessions} of ${target.links} sessions` : "",
      target.active ? counted(target.active, "mitigation") : "quiet"].filter(Boolean).join(" · "),
  }));
}

const sum = (sessions, wanted) => Object.entries(sessions).reduce((total, [state, by]) => total + (wanted(state) ? by.udp + by.tcp : 0), 0);

/* One request may be at several places; where the list does not tell all of them, the place with most is a lower bound. */
function running(overview, more) {
  const rows = lists.mitigations.rows, most = Math.max(0, ...overview.targets.map((target) => target.active));
  if (more || lists.mitigations.from || rows.some((row) => row["member-count"] > row.members.length)) return most;
  return Math.max(most, new Set(rows.flatMap((row) => row.members.map((member) => `${member.cuid}/${member.mid}`))).size);
}

function verdict(overview, down, attacked) {
  if (overview["store-failing"]) return ["bad", "✖ The store fails: nothing new is accepted"];
  if (down.length) return ["bad", `✖ ${counted(down.length, "upstream")} down`];
  return attacked ? ["attack", `▶ ${counted(attacked, "mitigation")} running`] : ["good", "✔ Quiet"];
}

function show(overview, more) {
  const upstreams = overview.targets.filter((target) => target.kind === "upstream");
  const down = upstreams.filter((target) => target.state === "down");
  const attacked = running(overview, more.mitigations);
  const served = overview.sessions.served.udp + overview.sessions.served.tcp, others = sum(overview.sessions, (state) => state !== "served");
  const now = history_ ? history_.series.reduce((total, series) => total + (draw.averaged(series.bytes).at(-1) || 0), 0) * 8 / history_["interval-seconds"] : 0;
  document.title = `${overview.name}${attacked ? " ▶ mitigating" : ""}`;
  find("name").textContent = overview.name;
  find("about").textContent = `DOTS gateway, ${overview["domain-side"]} domain, version ${overview.version}, up ${span(overview["uptime-seconds"])}`;
  const [kind, word] = verdict(overview, down, attacked);
  find("verdict").className = `pill ${kind}`;
  if (find("verdict").textContent !== word) find("verdict").textContent = word;
  find("tiles").replaceChildren(
    tile(attacked ? "attack" : "good", "Mitigations running", String(attacked), `${counted(overview.mitigations, "request")} held, ${overview["mitigations-limit"]} at most`),
    tile(now ? "attack" : "calm", "Dropped now", rate(now, "bytes"), `${bytes(overview.targets.reduce((total, target) => total + target["bytes-dropped"], 0))} since the start`),
    tile(others ? "bad" : "good", "Sessions served", String(served), others ? `${others} not served` : `${overview.sessions.served.udp} UDP, ${overview.sessions.served.tcp} TCP`),
    tile(down.length ? "bad" : "good", "Upstreams up", upstreams.length ? `${upstreams.length - down.length} of ${upstreams.length}` : "none",
      down.length ? `down: ${draw.cut(down.map((target) => target.name).join(", "), 60)}` : `${counted(overview.targets.length - upstreams.length, "mitigator")} of its own`),
    tile(overview["store-failing"] ? "bad" : "good", "Store", overview["store-failing"] ? "fails" : "writes", `${counted(overview.installed, "request")} installed`));
  fill("mitigations", mitigationRow, more.mitigations);
  fill("sessions", sessionRow, more.sessions);
  const south = clientNodes(overview), north = targetNodes(overview);
  draw.chain(find("chain"), south, { title: overview.name, state: `gateway ${worst([...south, ...north].map((item) => item.state))}`,
    text: `${counted(served, "session")} · ${attacked ? counted(attacked, "mitigation") : "quiet"}` }, north);
}

function plotNow() {
  if (history_) draw.plot(find("plot"), find("plot-legend"), history_, unit, rate);
}

async function read(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

let looking = false;
async function look() {
  if (looking) return;
  looking = true;
  try {
    const withHistory = turn++ % 2 === 0;
    const [overview, mitigations, sessions, past] = await Promise.all([read("v1/overview"), read(`v1/mitigations?from=${lists.mitigations.from}`),
      read(`v1/sessions?from=${lists.sessions.from}`), withHistory ? read("v1/history") : history_]);
    [history_, lists.mitigations.rows, lists.sessions.rows] = [past, mitigations.mitigations, sessions.sessions];
    heard = new Date();
    show(overview, { mitigations: mitigations.more, sessions: sessions.more });
    if (withHistory) plotNow();
    find("when").textContent = `As of ${heard.toTimeString().slice(0, 8)}.`;
    well(true);
  } catch (trouble) {
    well(false);
  } finally {
    looking = false;
  }
}

function well(yes) {
  document.body.classList.toggle("stale", !yes);
  find("trouble").hidden = yes;
  if (!yes) find("trouble").textContent = heard ? `No answer from the gateway. What is shown is of ${heard.toTimeString().slice(0, 8)}.` : "No answer from the gateway.";
}

for (const choice of document.querySelectorAll("input[name=unit]")) choice.addEventListener("change", () => { unit = choice.value; plotNow(); });
look();
setInterval(look, EVERY);

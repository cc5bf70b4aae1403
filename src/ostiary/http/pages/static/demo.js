// The two devices of the demonstration. Their tokens live in this page's memory and nowhere else.

const stage = document.getElementById("demo");
const words = stage.dataset;
const devices = {};
let countdown = 0;

const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const other = (name) => (name === "a" ? "b" : "a");
const panel = (name) => stage.querySelector(`[data-device=${name}]`);
const row = (place) => document.querySelector(`.refusal[data-place=${place}]`);

async function ask(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(answer.status);
  return answer.json();
}

function state(name, text, look) {
  const badge = panel(name).querySelector(".state");
  badge.textContent = text;
  badge.className = `badge state ${look}`;
}

function show(name) {
  const device = devices[name];
  const wire = panel(name).querySelector(".wire");
  wire.hidden = !device;
  if (!device) return;
  wire.querySelector(".wire-size").textContent = say(words.bytes, { n: device.wire });
  wire.querySelector(".wire-token code").textContent = device.token;
  const parts = device.segments.map(({ name: part, text }) => {
    const box = document.createElement("details");
    box.className = "json";
    const title = document.createElement("summary");
    title.textContent = part === "header" ? words.partHeader : words.partPayload;
    const pre = document.createElement("pre");
    pre.dir = "ltr";
    pre.tabIndex = 0;
    pre.textContent = text;
    box.append(title, pre);
    return box;
  });
  if (!parts.length) {
    const nothing = document.createElement("p");
    nothing.className = "hint";
    nothing.textContent = words.opaque;
    parts.push(nothing);
  }
  wire.querySelector(".wire-parts").replaceChildren(...parts);
}

function buttons(busy = false) {
  for (const name of ["a", "b"]) {
    panel(name).querySelector(".log-in").disabled = busy;
    panel(name).querySelector(".end").disabled = busy || !devices.a || !devices.b;
  }
}

function time(place, text, share, look) {
  const line = row(place);
  line.classList.remove("good", "bad");
  if (look) line.classList.add(look);
  line.querySelector(".refusal-time").textContent = text;
  line.querySelector(".refusal-bar i").style.width = `${share}%`;
}

function clear() {
  clearInterval(countdown);
  document.getElementById("summary").hidden = true;
  for (const line of document.querySelectorAll(".refusal")) time(line.dataset.place, "–", 0);
}

// a bar of 0.1 ms is empty, one of 5 minutes is full: the scale is logarithmic
const share = (milliseconds) => Math.max(2, Math.min(100, ((Math.log10(milliseconds) + 1) / 6.5) * 100));

function watchPlain(device) {
  const look = async () => {
    const left = Math.max(0, device.plain_expires_at - Math.floor(Date.now() / 1000));
    const { accepted } = await ask("/demo/plain", { token: device.plain }).catch(() => ({ accepted: null }));
    if (accepted === null) return;
    const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    time("plain", accepted ? say(words.still, { time: text }) : words.over, 100, accepted ? "bad" : "good");
    if (!accepted) clearInterval(countdown);
  };
  look();
  countdown = setInterval(look, 1000);
}

async function logIn(name) {
  buttons(true);
  clear();
  try {
    devices[name] = await ask("/demo/devices", { kind: panel(name).querySelector("select").value });
    state(name, words.accepted, "good");
  } catch {
    delete devices[name];
    state(name, words.failed, "bad");
  }
  show(name);
  buttons();
}

async function endOther(name) {
  const target = other(name);
  const gone = devices[target];
  buttons(true);
  clear();
  try {
    const { bound, refusals } = await ask("/demo/end", {
      by: devices[name].token,
      ended: gone.token,
      session: gone.session,
    });
    for (const { place, milliseconds } of refusals) {
      if (milliseconds === null) time(place, words.not, 100, "bad");
      else time(place, say(words.refused, { ms: milliseconds }), share(milliseconds), "good");
    }
    const summary = document.getElementById("summary");
    summary.textContent = say(words.summary, { bound });
    summary.hidden = false;
    state(target, words.ended, "bad");
    delete devices[target];
    watchPlain(gone);
  } catch {
    state(name, words.failed, "bad");
    delete devices[name];
    show(name);
  }
  buttons();
}

for (const name of ["a", "b"]) {
  panel(name).querySelector(".log-in").addEventListener("click", () => logIn(name));
  panel(name).querySelector(".end").addEventListener("click", () => endOther(name));
}
buttons();
await logIn("a");
await logIn("b");

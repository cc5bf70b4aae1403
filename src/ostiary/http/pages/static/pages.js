// Makes our pages nicer. Nothing needs it: every form and link works without.

const base = document.body.dataset.base;
const language = document.documentElement.lang;

// --- a new password: how strong it is, and why it would be refused, while it is typed

function meter(input) {
  const box = document.createElement("div");
  box.className = "meter";
  box.setAttribute("role", "status");
  const bar = document.createElement("span");
  bar.className = "meter-bar";
  bar.append(...Array.from({ length: 4 }, () => document.createElement("i")));
  const words = document.createElement("p");
  box.append(bar, words);
  box.hidden = true;
  input.after(box);
  let latest = 0;
  const look = async () => {
    const mine = ++latest;
    box.hidden = input.value === "";
    if (box.hidden) return;
    const form = input.form;
    const username = form.querySelector("[name=username], [data-username]")?.value ?? "";
    const answer = await fetch(`${base}/v1/password-check`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ password: input.value, username: username.slice(0, 1024), language }),
    }).catch(() => null);
    if (mine !== latest) return;
    box.hidden = !answer?.ok; // what it said of another password is no word about this one
    if (box.hidden) return;
    const { acceptable, strength, label, reasons } = await answer.json();
    box.dataset.level = acceptable ? strength : "refused";
    words.textContent = acceptable ? label : reasons.map((reason) => reason.message).join(" ");
  };
  let timer;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, 250);
  });
}

document.querySelectorAll("input[data-meter]").forEach(meter);

// --- a code in the fragment of a link: into its field, and out of the address

for (const place of document.querySelectorAll("[data-from-fragment]")) {
  const found = location.hash.slice(1);
  if (!found.startsWith(place.dataset.fromFragment)) continue;
  place.querySelector("input").value = found;
  place.hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
  place.closest("form").querySelector("[name=username]").focus();
}

// --- pages as documents: fetched, and put in place piece by piece (parsed by the browser, never from text)

function load(url, form = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(form ? "POST" : "GET", url);
    request.responseType = "document";
    request.onload = () => resolve(request);
    request.onerror = reject;
    request.send(form);
  });
}

function replace(id, page) {
  const [old, fresh] = [document.getElementById(id), page?.getElementById(id)];
  if (!old || !fresh) return false;
  if (old.innerHTML !== fresh.innerHTML) old.replaceWith(document.adoptNode(fresh));
  return true;
}

// --- lists that answer while somebody types or chooses

for (const form of document.querySelectorAll("form[data-live]")) {
  let timer;
  let latest = 0;
  const look = async () => {
    const mine = ++latest;
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
    const url = `${form.action}?${query}`;
    const answer = await load(url).catch(() => null);
    if (!answer || mine !== latest) return;
    if (answer.status !== 200 || !replace(form.dataset.live, answer.response)) location.assign(url);
    else history.replaceState(null, "", url);
  };
  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    if (!("settled" in event.target.dataset)) timer = setTimeout(look, event.target.tagName === "SELECT" ? 0 : 200);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    look();
  });
}

// --- on a narrow screen the section that is open may stand beyond the edge

document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// --- lists and charts that keep themselves up to date, until they are paused

let paused = false;
for (const place of document.querySelectorAll("[data-pause]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button small";
  button.textContent = place.dataset.pause;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? place.dataset.resume : place.dataset.pause;
  });
  const held = document.createElement("span");
  held.className = "held";
  held.textContent = place.dataset.held ?? "";
  place.replaceChildren(held, " ", button);
}

function keepUpToDate(id, seconds) {
  setTimeout(async () => {
    const place = document.getElementById(id);
    // what somebody points at must not move away from under the pointer
    const held = "hold" in place.dataset && place.matches(":hover");
    const busy = held || place.contains(document.activeElement) || document.querySelector("dialog[open]");
    if (!document.hidden && !paused && !busy) {
      const answer = await load(place.dataset.source ?? location.href).catch(() => null);
      if (answer && answer.status < 500 && !replace(id, answer.response)) location.reload(); // no longer ours to see
    }
    keepUpToDate(id, seconds);
  }, seconds * 1000);
}

for (const place of document.querySelectorAll("[data-refresh]")) keepUpToDate(place.id, Number(place.dataset.refresh));

// --- dangerous forms: where the password is wanted first, it is asked for in place

const dialog = document.createElement("dialog");
dialog.setAttribute("aria-labelledby", "step-up");
document.body.append(dialog);

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!("guarded" in form.dataset)) return;
  event.preventDefault();
  const answer = await load(form.action, new URLSearchParams(new FormData(form, event.submitter))).catch(() => null);
  if (!answer?.response) {
    form.submit();
    return;
  }
  const asked = answer.response.querySelector("[data-step-up]");
  if (asked) {
    dialog.replaceChildren(document.adoptNode(asked));
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("[name=confirm_password]").focus();
  } else if (answer.responseURL !== form.action) {
    location.assign(answer.responseURL);
  } else {
    dialog.close();
    document.querySelector("main").replaceWith(document.adoptNode(answer.response.querySelector("main")));
  }
});

dialog.addEventListener("click", (event) => {
  if (!event.target.closest("[data-close]")) return;
  event.preventDefault();
  dialog.close();
});

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
    if (!answer?.ok || mine !== latest) return;
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

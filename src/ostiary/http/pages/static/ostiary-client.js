// Silent refresh: docs/guide/single-page-apps.md

export function createClient({ issuer = location.origin, origins = [], kind = "stateless", ...asked } = {}) {
  const base = issuer.replace(/\/$/, "");
  const name = "ostiary " + base;
  origins = [location.origin, new URL(base).origin, ...origins];
  const tabs = new BroadcastChannel(name);
  const events = new EventTarget();
  let held; // { token, due, ends }; null: nobody; undefined: not known
  let turn = 0;
  let busy, timer;

  function hold(next, tell) {
    const news = held === undefined || !held !== !next;
    held = next;
    turn++;
    wait(next && next.due - Date.now());
    if (tell) tabs.postMessage(next);
    if (news) events.dispatchEvent(new Event("change"));
  }

  function wait(ms) {
    clearTimeout(timer);
    if (ms !== null) timer = setTimeout(keepUp, ms);
  }

  const keepUp = () => renew().catch((error) => wait(1000 * (error.retryAfter ?? 5)));
  const bearer = () => (held ? { Authorization: "Bearer " + held.token } : {});
  const call = (path, how) => fetch(base + path, { credentials: "include", ...how });
  const post = (path, body, headers, how) => call(path, { method: "POST", body, headers, ...how });
  const csrf = async () => ({ "X-CSRF-Token": (await (await call("/v1/csrf")).json()).csrf_token });

  async function take(reply) {
    const answer = await reply.json().catch(() => ({}));
    if (!reply.ok) {
      const retryAfter = Number(reply.headers.get("Retry-After")) || 5;
      throw Object.assign(Error(answer.detail), { retryAfter, code: answer.code ?? answer.error });
    }
    const life = answer.expires_in * 1000;
    const ends = Date.now() + life;
    hold({ token: answer.access_token, due: ends - life / 5, ends }, true);
    return answer;
  }

  const ask = async (path, body) =>
    take(await post(path, JSON.stringify(body), { "Content-Type": "application/json", ...bearer() }));

  function renew() {
    const was = held?.token;
    busy ??= (navigator.locks?.request.bind(navigator.locks, name) ?? ((work) => work()))(async () => {
      await new Promise((go) => setTimeout(go, 50)); // news first
      if (held?.token !== was) return;
      const mine = turn;
      const go = (more) => post("/oauth/token", new URLSearchParams("grant_type=refresh_token"), more);
      let reply = await go();
      if (reply.status === 403) reply = await go(await csrf());
      if (mine !== turn) return;
      if (reply.ok || reply.status === 429 || reply.status >= 500) await take(reply);
      else hold(null, true);
    }).finally(() => (busy = undefined));
    return busy;
  }

  async function token() {
    if (held === undefined || (held && Date.now() >= held.due)) {
      await renew().catch((error) => {
        if (!held || Date.now() >= held.ends) throw error;
      });
    }
    return held?.token ?? null;
  }

  tabs.onmessage = ({ data }) => hold(data, false);

  return {
    events,
    token,
    ready: token().then(Boolean, () => false),
    login: (username, password, more) =>
      ask("/v1/login", { username, password, kind, transport: "split", ...asked, ...more }),
    reauthenticate: (password) => ask("/v1/reauthenticate", { password }),
    async logout() {
      const headers = held ? bearer() : await csrf();
      hold(null, true);
      const leave = (how) => post("/v1/logout", null, headers, how);
      const { status } = await leave();
      if (status === 400) await leave({ credentials: "omit" });
      if (status >= 500) throw Error("try again");
    },
    async fetch(input, init) {
      const one = new Request(input, { credentials: "omit", ...init });
      const used = origins.includes(new URL(one.url).origin) && (await token());
      if (!used) return fetch(one);
      const again = one.clone();
      const send = (it) => {
        it.headers.set("Authorization", "Bearer " + held.token);
        return fetch(it);
      };
      const first = await send(one);
      if (first.status !== 401) return first;
      if (held?.token === used) await renew();
      return held ? send(again) : first;
    },
  };
}

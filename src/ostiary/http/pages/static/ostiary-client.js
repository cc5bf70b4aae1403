// Silent refresh for a page; docs/guide/single-page-apps.md says how to use it. Apache-2.0.

export function createClient({ issuer = location.origin, origins = [], kind = "stateless", ...asked } = {}) {
  const base = issuer.replace(/\/$/, "");
  const name = "ostiary " + base;
  const allowed = [location.origin, new URL(base).origin, ...origins]; // who may see the token
  const tabs = new BroadcastChannel(name);
  const events = new EventTarget();
  let held; // { token, renewAt, expiresAt } in ms; null: nobody is logged in; undefined: not known yet
  let turn = 0; // an answer of an earlier turn counts no more
  let renewing, timer;

  function hold(next, tell) {
    const news = held === undefined || !held !== !next;
    held = next;
    turn++;
    wait(next && next.renewAt - Date.now());
    if (tell) tabs.postMessage(next);
    if (news) events.dispatchEvent(new Event("change"));
  }

  function wait(ms) {
    clearTimeout(timer);
    if (ms !== null) timer = setTimeout(keepUp, ms);
  }

  const keepUp = () => renew().catch((error) => wait(1000 * (error.retryAfter ?? 5)));
  const bearer = () => (held ? { Authorization: "Bearer " + held.token } : {});
  const post = (path, body, headers, credentials = "include") =>
    fetch(base + path, { method: "POST", body, headers, credentials });

  async function take(response) {
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      const retryAfter = Number(response.headers.get("Retry-After")) || 5;
      throw Object.assign(new Error(answer.detail), { retryAfter, code: answer.code ?? answer.error });
    }
    const now = Date.now();
    const { access_token: token, expires_in: seconds } = answer;
    hold({ token, renewAt: now + seconds * 800, expiresAt: now + seconds * 1000 }, true);
    return answer;
  }

  const ask = async (path, body) =>
    take(await post(path, JSON.stringify(body), { "Content-Type": "application/json", ...bearer() }));

  // One tab renews; the others wait, and take over what it got.
  function renew() {
    const before = held?.token;
    renewing ??= (navigator.locks?.request.bind(navigator.locks, name) ?? ((work) => work()))(async () => {
      if (held?.token !== before) return;
      const mine = turn;
      const response = await post("/oauth/token", new URLSearchParams({ grant_type: "refresh_token" }));
      if (mine !== turn) return;
      if (response.ok || response.status === 429 || response.status >= 500) await take(response);
      else hold(null, true);
    }).finally(() => (renewing = undefined));
    return renewing;
  }

  async function token() {
    if (held === undefined || (held && Date.now() >= held.renewAt)) {
      await renew().catch((error) => {
        if (!held || Date.now() >= held.expiresAt) throw error;
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
      const headers = bearer();
      hold(null, true);
      const { status } = await post("/v1/logout", null, headers);
      if (status === 400) await post("/v1/logout", null, headers, "omit"); // a session cookie came along
      if (status >= 500) throw new Error("try again");
    },
    async fetch(input, init) {
      const request = new Request(input, { credentials: "omit", ...init });
      const used = allowed.includes(new URL(request.url).origin) && (await token());
      if (!used) return fetch(request);
      const again = request.clone();
      const send = (one) => {
        one.headers.set("Authorization", bearer().Authorization);
        return fetch(one);
      };
      const first = await send(request);
      if (first.status !== 401) return first;
      if (held?.token === used) await renew();
      return held ? send(again) : first;
    },
  };
}

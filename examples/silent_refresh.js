// Silent refresh in a browser, for transport "split". docs/guide/single-page-apps.md says why it is as it is.
// Serve it from the issuer's own origin.

let token = null;       // never in localStorage
let renewAt = 0;        // milliseconds
let renewing = null;    // one renewal at a time in this tab
const tabs = new BroadcastChannel("ostiary");

function keep(answer) {
  token = answer.access_token;
  renewAt = Date.now() + answer.expires_in * 1000 * 0.8;
}

export async function login(username, password) {
  const response = await fetch("/v1/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password, kind: "stateless", transport: "split" }),
  });
  if (!response.ok) throw await response.json();
  keep(await response.json());
}

async function renew() {
  const response = await fetch("/oauth/token", {
    method: "POST",
    body: new URLSearchParams({ grant_type: "refresh_token" }),
  });
  if (response.status === 503 || response.status === 429) throw new Error("try again");  // still logged in
  if (!response.ok) { token = null; return; }                                            // nobody is logged in
  keep(await response.json());
}

export async function call(path, options = {}) {
  for (const last of [false, true]) {
    if (!token || Date.now() >= renewAt) {
      renewing ??= renew().finally(() => { renewing = null; });
      await renewing;
    }
    if (!token) throw new Error("log in first");
    const headers = { ...options.headers, Authorization: `Bearer ${token}` };
    const response = await fetch(path, { ...options, headers });
    if (response.status !== 401 || last) return response;
    renewAt = 0;        // refused before its time: roles changed, or it was ended. A renewal tells which
  }
}

export async function logout() {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  token = null;
  tabs.postMessage("logged out");
  await fetch("/v1/logout", { method: "POST", headers });
}

tabs.onmessage = () => { token = null; };

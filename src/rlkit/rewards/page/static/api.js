// Speaks with the server. What goes wrong is one of three: it is away, it refuses, or the link must be opened again.

export class Away extends Error {}
export class Refused extends Error {
  constructor(message, status) { super(message); this.status = status; }
}
export class Locked extends Error {}

const PATIENCE_MS = 60_000;

async function reply(path, options) {
  let response;
  try {
    response = await fetch(path, {...options, credentials: 'same-origin', signal: AbortSignal.timeout(PATIENCE_MS)});
  } catch (error) {
    throw new Away(String(error));
  }
  if (response.ok) return response;
  if (response.status >= 500) throw new Away(`HTTP ${response.status}`);
  const told = await response.json().then(found => found.error, () => response.statusText);
  if (response.status === 401) throw new Locked(told);
  throw new Refused(told, response.status);
}

export async function post(name, body, options = {}) {
  const headers = {'Content-Type': 'application/json'};
  return (await reply(`/api/${name}`, {method: 'POST', headers, body: JSON.stringify(body), ...options})).json();
}

export async function progress(annotator) {
  return (await reply(`/api/progress?annotator=${encodeURIComponent(annotator)}`, {})).json();
}

export async function clip(segment) {
  return (await reply(`/api/clip/${segment}`, {})).arrayBuffer();
}

export const sleep = ms => new Promise(done => setTimeout(done, ms));

// Again and again while the server is away.
export async function insist(act, onAway = () => {}) {
  for (let wait = 500; ; wait = Math.min(2 * wait, 5000)) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof Away)) throw error;
      onAway();
      await sleep(wait);
    }
  }
}

// crypto.randomUUID is not there on a page that comes by plain HTTP from another computer
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');
}

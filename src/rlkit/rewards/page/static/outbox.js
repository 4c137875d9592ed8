// Answers on their way: kept in the browser until the server says that they are on its disk, sent one after the other.

import {insist, newId, post, Refused} from './api.js';

export class Outbox {
  // run: of the server's run; onDone(kind, body, reply); onRefused(error, kind); onChange(waiting, away); onFatal(error)
  constructor(run, {onDone, onRefused, onChange, onFatal}) {
    Object.assign(this, {onDone, onRefused, onChange, onFatal});
    this.prefix = `rlkit-label:${run}:out:`;
    this.entries = [];
    this.busy = this.away = false;
    for (const [key, text] of Object.entries({...localStorage})) {
      if (key.startsWith(this.prefix)) this.entries.push(JSON.parse(text));
    }
    this.entries.sort((one, other) => one.at - other.at);
    this.pump();
  }

  get waiting() { return this.entries.length; }

  add(kind, body) {
    const entry = {kind, at: Date.now(), body: {...body, client: newId()}};
    this.entries.push(entry);
    try {
      localStorage.setItem(this.prefix + entry.body.client, JSON.stringify(entry));
    } catch { /* a full or forbidden store: it is still in memory */ }
    this.onChange(this.waiting, this.away);
    this.pump();
  }

  async pump() {
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.entries.length) {
        const {kind, body} = this.entries[0];
        const isAway = () => { this.away = true; this.onChange(this.waiting, true); };
        let reply, refusal;
        try {
          reply = await insist(() => post(kind, body), isAway);
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          refusal = error;
        }
        this.entries.shift();
        localStorage.removeItem(this.prefix + body.client);
        this.away = false;
        this.onChange(this.waiting, false);
        if (refusal) this.onRefused(refusal, kind); else this.onDone(kind, body, reply);
      }
    } catch (error) {
      this.onFatal(error); // the entries stay, for when the page is loaded again
    } finally {
      this.busy = false;
    }
  }
}

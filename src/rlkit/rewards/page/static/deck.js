// The pairs in hand: the one on the screen, and some more whose clips are fetched ahead.

import {clip, insist, newId, post, Refused} from './api.js';
import {decode} from './player.js';

const AHEAD = 3;
const KEPT_CLIPS = 16; // encoded; for undo, and for segments that come again
const IDLE_MS = 5 * 60_000; // who has done nothing for so long has gone, and others may be asked

export class Deck {
  // onAway(): the server does not answer
  constructor(annotator, run, lease_s, onAway) {
    this.annotator = annotator;
    this.onAway = onAway;
    this.pairs = [];
    this.clips = new Map();
    this.chain = Promise.resolve();
    this.memory = `rlkit-label:${run}:held:${annotator}`; // of this tab
    this.active = Date.now();
    for (const kind of ['keydown', 'pointerdown']) addEventListener(kind, () => { this.active = Date.now(); });
    this.renewing = setInterval(() => this.#renew(), lease_s * 1000 / 3);
  }

  close() { clearInterval(this.renewing); }

  // Another person goes on in this tab: these pairs are for all again.
  giveBack() {
    const leases = this.pairs.map(pair => pair.lease);
    if (leases.length) post('release', {annotator: this.annotator, leases}).catch(() => {}); // else they run out
  }

  // What this tab held before it was loaded again.
  async recall() {
    const leases = JSON.parse(sessionStorage.getItem(this.memory) ?? '[]');
    if (!leases.length) return;
    const {pairs} = await insist(() => post('held', {annotator: this.annotator, leases}), this.onAway);
    pairs.forEach(pair => this.#take(pair));
  }

  get current() { return this.pairs[0]; }

  // Asks for more until enough are in hand; true if any are.
  async fill() {
    const count = AHEAD + 1 - this.pairs.length;
    if (count > 0 && !this.filling) {
      const client = newId(); // a request whose reply was lost is said again, and lends the same
      this.filling = insist(() => post('next', {annotator: this.annotator, count, client}), this.onAway)
        .then(({pairs}) => pairs.forEach(pair => this.#take(pair)))
        .finally(() => { this.filling = null; });
      this.filling.catch(() => {}); // who has no pair waits for it, and hears of it
    }
    await (this.pairs.length ? undefined : this.filling);
    return this.pairs.length > 0;
  }

  // The first pair is done with; the player must have let go of its frames.
  drop() {
    free(this.pairs.shift());
    this.#remember();
    this.#decodeAhead();
  }

  putFirst(pair) {
    this.#take(pair, true);
  }

  has(lease) { return this.pairs.some(pair => pair.lease === lease); }

  #take(pair, first = false) {
    if (this.has(pair.lease)) return;
    pair.fetched = first ? this.#fetch(pair) : this.chain.then(() => this.#fetch(pair));
    pair.fetched.catch(() => {}); // told when it is shown
    if (first) this.pairs.unshift(pair);
    else {
      this.pairs.push(pair);
      this.chain = pair.fetched.catch(() => {});
    }
    this.#remember();
    this.#decodeAhead();
  }

  async #fetch({left, right}) {
    return Promise.all([left, right].map(segment => this.load(segment)));
  }

  load(segment) {
    if (!this.clips.has(segment)) {
      const loading = insist(() => clip(segment), this.onAway);
      loading.catch(() => this.clips.delete(segment));
      this.clips.set(segment, loading);
      if (this.clips.size > KEPT_CLIPS) this.clips.delete(this.clips.keys().next().value);
    }
    return this.clips.get(segment);
  }

  // The frames of a pair; those of the one after it are decoded meanwhile.
  films(pair) {
    pair.films ??= (pair.fetched ?? this.#fetch(pair)).then(([left, right]) => Promise.all([decode(left), decode(right)]));
    pair.films.catch(() => {});
    return pair.films;
  }

  #decodeAhead() {
    this.pairs.slice(0, 2).forEach(pair => this.films(pair));
    this.pairs.slice(2).forEach(free);
  }

  #remember() {
    sessionStorage.setItem(this.memory, JSON.stringify(this.pairs.map(pair => pair.lease)));
  }

  async #renew() {
    const leases = this.pairs.map(pair => pair.lease);
    if (!leases.length || document.hidden || Date.now() - this.active > IDLE_MS) return;
    try {
      const {lost} = await post('renew', {annotator: this.annotator, leases});
      this.pairs = this.pairs.filter((pair, place) => place === 0 || !lost.includes(pair.lease));
      this.#remember();
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
  }
}

// Decoded frames are large; the encoded ones stay.
function free(pair) {
  pair.films?.then(films => films.flat().forEach(frame => frame.close()), () => {});
  pair.films = null;
}

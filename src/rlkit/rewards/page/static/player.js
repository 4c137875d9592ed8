// Draws both clips from one clock: whichever frame is on the left, the same one is on the right.

const HOLD_S = 0.5; // the last frame stays, so that one sees how it ended
const LONGEST_TICK_MS = 250; // a tab that was hidden goes on where it was

// The frames of a clip: their number, the length of each (0: as the one before), JPEG after JPEG.
export async function decode(buffer) {
  const view = new DataView(buffer);
  const count = view.getUint32(0, true);
  let start = 4 * (count + 1);
  const frames = [];
  for (let k = 0; k < count; k++) {
    const length = view.getUint32(4 * (k + 1), true);
    const picture = new Blob([new Uint8Array(buffer, start, length)], {type: 'image/jpeg'});
    frames.push(length ? createImageBitmap(picture) : frames[k - 1]);
    start += length;
  }
  return Promise.all(frames);
}

export class Player {
  // canvases: [left, right]; onFrame(frame, count)
  constructor(canvases, onFrame) {
    this.canvases = canvases;
    this.onFrame = onFrame;
    this.fps = 10;
    this.slow = false;
    this.playing = true;
    this.clear();
    const tick = now => { this.#tick(now); requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
  }

  get frame() { return Math.min(Math.floor(this.position), this.count - 1); }

  clear() {
    this.films = [[], []];
    this.count = this.position = 0;
    this.drawn = -1;
  }

  show(films) {
    this.clear();
    this.films = films;
    this.count = Math.max(...films.map(film => film.length));
    this.playing = true;
    this.canvases.forEach((canvas, side) => {
      const {width, height} = films[side][0];
      Object.assign(canvas, {width, height});
      canvas.classList.toggle('small', Math.max(width, height) < 200);
    });
    this.#draw();
  }

  seek(frame) {
    if (!this.count) return;
    this.playing = false;
    this.position = Math.min(Math.max(frame, 0), this.count - 1);
    this.#draw();
  }

  step(by) { this.seek((this.frame + by + this.count) % Math.max(this.count, 1)); }

  toggle() { this.playing = !this.playing; this.onFrame(this.frame, this.count); }

  #tick(now) {
    const passed_s = Math.min(now - (this.now ?? now), LONGEST_TICK_MS) / 1000;
    this.now = now;
    if (!this.playing || !this.count) return;
    const speed = this.fps * (this.slow ? 0.5 : 1);
    this.position = (this.position + passed_s * speed) % (this.count + HOLD_S * speed);
    if (this.frame !== this.drawn) this.#draw();
  }

  #draw() {
    const frame = this.frame;
    this.canvases.forEach((canvas, side) => {
      const film = this.films[side]; // the shorter one waits at its end
      canvas.getContext('2d').drawImage(film[Math.min(frame, film.length - 1)], 0, 0);
      canvas.dataset.frame = frame;
    });
    this.drawn = frame;
    this.onFrame(frame, this.count);
  }
}

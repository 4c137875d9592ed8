// Before the first pair: examples. Whoever comes first answers them and says why; all others try, and read why.

import {Away, insist, post, sleep} from './api.js';
import {decode} from './player.js';
import {firstClips} from './status.js';

const $ = id => document.getElementById(id);
const WORDS = {left: 'the left one', right: 'the right one', tie: 'equally good', cant_tell: 'can’t tell'};

export class Lesson {
  // deck: for its clips; stage: shows films; onAway(): the server does not answer; told(): what it said of late
  constructor(annotator, deck, stage, onAway, told) {
    Object.assign(this, {annotator, deck, stage, onAway, told});
  }

  // From the first example to the last.
  async give() {
    const examples = await this.#examples();
    let agreed = 0;
    for (const [number, example] of examples.entries()) {
      $('teach-title').textContent = `Example ${number + 1} of ${examples.length}`;
      agreed += await (example.choice ? this.#try(example) : this.#explain(example));
    }
    await insist(() => post('learned', {annotator: this.annotator, agreed}), this.onAway);
    $('teach-title').textContent = 'That was the lesson';
    $('teach-text').textContent = 'From now on your answers teach the agent. Undo is one key away, and nobody hurries you.';
    await this.#next('Begin');
  }

  // Keys and buttons; false: not now.
  choose(choice) {
    if (!this.waiting || choice === 'skip') return false;
    const waiting = this.waiting;
    this.waiting = null;
    waiting(choice);
    return true;
  }

  async #examples() {
    $('stage').hidden = true;
    for (;;) {
      $('teach-title').textContent = 'The first clips are on their way';
      $('teach-text').textContent = firstClips(this.told().training);
      const {examples} = await insist(() => post('lesson', {}), this.onAway);
      if (examples.length) {
        $('stage').hidden = false;
        return examples;
      }
      await sleep(1000);
    }
  }

  async #answerTo({left, right}) {
    this.stage.wait();
    const films = await Promise.all([left, right].map(async segment => decode(await this.deck.load(segment))));
    this.stage.show(films);
    return new Promise(waiting => { this.waiting = waiting; });
  }

  async #try(example) {
    $('teach-text').textContent = 'Which one is better? Try: this one does not count yet.';
    const choice = await this.#answerTo(example);
    const agree = choice === example.choice;
    const verdict = agree ? 'The lesson agrees' : `The lesson says: ${WORDS[example.choice]}`;
    $('teach-text').textContent = `You chose: ${WORDS[choice]}. ${verdict}. ${example.why}`;
    await this.#next('Next');
    return agree;
  }

  async #explain(example) {
    $('teach-text').textContent = 'Which one is better? Your answer will explain the goal to all who label after you.';
    let choice = await this.#answerTo(example);
    const tell = () => { $('teach-text').textContent = `You chose: ${WORDS[choice]}.`; };
    const change = chosen => { choice = chosen; tell(); this.waiting = change; };
    change(choice);
    $('why').value = '';
    $('why-label').hidden = false;
    $('why').focus();
    for (;;) {
      await this.#next('Next');
      try {
        await post('explain', {pair: example.pair, choice, why: $('why').value});
        break;
      } catch (error) {
        $('teach-error').textContent = error instanceof Away ? 'The server does not answer: try again.' : error.message;
      }
    }
    this.waiting = null;
    $('why-label').hidden = true;
    return 1;
  }

  async #next(word) {
    const button = $('teach-next');
    button.textContent = word;
    button.hidden = false;
    if ($('why-label').hidden) button.focus();
    await new Promise(done => button.addEventListener('click', done, {once: true}));
    $('teach-error').textContent = '';
    button.hidden = true;
  }
}

// The page: from the name to the last pair.

import {insist, Locked, post, progress, Refused, sleep} from './api.js';
import {Deck} from './deck.js';
import {fillForm, saveGoal, showGoal} from './goal.js';
import {Lesson} from './lesson.js';
import {Outbox} from './outbox.js';
import {Player} from './player.js';
import {isOver, showEffect, showProgress, showRest} from './status.js';

const $ = id => document.getElementById(id);
const WORDS = {left: 'left', right: 'right', tie: 'equal', cant_tell: 'can’t tell', skip: 'skipped'};
const KEYS = {ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'tie', ArrowDown: 'cant_tell', s: 'skip'}; // Christiano et al. (2017), B
const UNLOCK_MS = 250; // a key that was meant for the pair before does not answer this one
const LATE_MS = 300;
const FLASH_MS = 120;
const POLL_MS = 4000;
const NAME = 'rlkit-label:name';

const player = new Player([$('left'), $('right')], onFrame);
const state = {annotator: '', goal: null, deck: null, outbox: null, lesson: null, shown: null, told: null, ratio: 4 / 3};

function setMode(mode) {
  document.body.dataset.mode = mode;
  $('welcome').hidden = mode !== 'welcome';
  $('teach').hidden = mode !== 'lesson';
  $('stage').hidden = !['lesson', 'label'].includes(mode);
  $('rest').hidden = !['rest', 'locked'].includes(mode);
  $('aside').hidden = mode === 'lesson';
  if (mode === 'locked') $('rest-on').hidden = true;
}

function toast(text) {
  $('toast').textContent = text;
  $('toast').hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { $('toast').hidden = true; }, 6000);
}

function onFrame(frame, count) {
  $('frame').textContent = `${count ? frame + 1 : 0} / ${count}`;
  $('scrub').max = Math.max(count - 1, 0);
  $('scrub').value = Math.max(frame, 0);
  $('play').textContent = player.playing ? 'Pause' : 'Play';
}

// On a phone the clips are one above the other where they are larger so.
function arrange() {
  const {clientWidth, clientHeight} = $('clips');
  const beside = Math.min(clientWidth / 2, clientHeight * state.ratio), above = Math.min(clientWidth, clientHeight / 2 * state.ratio);
  $('clips').classList.toggle('stacked', innerWidth <= 640 && above > beside);
}
new ResizeObserver(arrange).observe($('clips'));

// What is on the stage, for the lesson and for the pairs.
const stage = {
  show(films) {
    player.show(films);
    const {width, height} = films[0][0];
    $('clips').style.setProperty('--ratio', state.ratio = width / height);
    arrange();
    this.say('');
    $('stage').dataset.ready = true;
    state.shown = performance.now();
    state.unseen = document.hidden;
  },
  // Nothing to judge; without a text, clips are on their way.
  wait(text = '') {
    player.clear();
    $('stage').dataset.ready = false;
    state.shown = null;
    this.say(text);
    if (!text) this.late = setTimeout(() => this.say('Drawing the clips …'), LATE_MS);
  },
  say(text) {
    clearTimeout(this.late);
    $('loading').textContent = text;
  },
};

function isAway() { onUnsent(state.outbox?.waiting ?? 0, true); }

function onUnsent(waiting, away) {
  const kept = waiting === 1 ? '1 answer is kept here and will be sent.' : `${waiting} answers are kept here and will be sent.`;
  $('unsent').textContent = away ? `The server does not answer. ${waiting ? kept : 'Trying again …'}` : '';
}

// Nothing goes on without opening the link again, or loading the page.
function onFatal(error) {
  setMode('locked');
  $('rest-title').textContent = error instanceof Locked ? 'Open the link again' : 'Something went wrong';
  $('rest-text').textContent = error instanceof Locked
    ? 'The terminal where label.py runs shows it. Answers that were not sent are kept in this browser.'
    : `${error.message}. Load the page again; answers that were not sent are kept in this browser.`;
  console.error(error);
}

// ---- pairs

async function showCurrent() {
  const turn = showCurrent.turn = {};
  state.unseeable = false;
  stage.wait();
  try {
    while ((isOver(state.told) && !state.goingOn) || !await more()) {
      if (turn !== showCurrent.turn) return;
      setMode('rest');
      await poll();
      showRest(state.told);
      await sleep(1500);
      if (turn !== showCurrent.turn) return;
    }
    if (turn !== showCurrent.turn) return;
    setMode('label');
    const pair = state.deck.current;
    const films = await state.deck.films(pair);
    if (turn === showCurrent.turn) stage.show(films);
  } catch (error) {
    if (turn !== showCurrent.turn) return;
    if (error instanceof Refused && state.deck.current) {
      state.unseeable = true;
      stage.wait(`${error.message}. Skip this pair.`);
    } else onFatal(error);
  }
  fill();
}

function fill() { state.deck.fill().catch(error => { if (!(error instanceof Refused)) onFatal(error); }); }

// True if there is a pair. Before the lesson is ready for all, the server lends none.
async function more() {
  try {
    return await state.deck.fill();
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

async function choose(choice) {
  if (state.lesson) {
    if (state.shown && state.lesson.choose(choice)) flash(choice);
    return;
  }
  const pair = state.deck?.current;
  if (document.body.dataset.mode !== 'label' || !pair || state.undoing || state.choosing) return;
  if (!state.shown && !(choice === 'skip' && state.unseeable)) return;
  const took = state.shown && Math.round(performance.now() - state.shown);
  if (took !== null && took < UNLOCK_MS) return;
  state.choosing = true;
  $('stage').dataset.ready = 'chosen';
  const ms = state.unseen ? null : took; // who was elsewhere meanwhile has not taken so long
  state.outbox.add('answer', {annotator: state.annotator, lease: pair.lease, choice, ms});
  flash(choice);
  $('last').textContent = `Last: ${WORDS[choice]}`;
  await sleep(FLASH_MS);
  state.choosing = false;
  stage.wait();
  state.deck.drop();
  showCurrent();
}

function flash(choice) {
  for (const button of document.querySelectorAll(`[data-choice="${choice}"], #${choice}`)) {
    button.classList.add('chosen');
    setTimeout(() => button.classList.remove('chosen'), FLASH_MS + 60);
  }
}

function undo() {
  if (!['label', 'rest'].includes(document.body.dataset.mode) || state.undoing || state.choosing) return;
  state.undoing = true;
  $('last').textContent = 'Taking it back …';
  state.outbox.add('undo', {annotator: state.annotator});
}

function onDone(kind, body, reply) {
  if (kind === 'undo') {
    state.undoing = false;
    $('last').textContent = reply.pair ? 'Taken back: answer it anew' : 'There is nothing to take back';
    if (reply.pair) {
      state.goingOn = true;
      stage.wait();
      state.deck.putFirst(reply.pair);
      showCurrent();
    }
  }
  poll();
}

function onRefused(error, kind) {
  if (kind === 'undo') state.undoing = false;
  toast(`The server did not take ${kind === 'undo' ? 'that back' : 'an answer'}: ${error.message}.`);
}

// ---- progress

function hear(told) {
  if (state.goal && told.goal && told.goal.digest !== state.goal.digest) toast('The goal was changed: read it again.');
  state.goal = told.goal;
  state.told = told;
  showGoal(told.goal);
  showProgress(told.progress);
  showEffect(told.training);
  if (document.body.dataset.mode === 'label') fill(); // what was asked meanwhile comes into hand before it is needed
}

async function poll() {
  try {
    hear(await progress(state.annotator));
    if (!state.outbox.waiting) onUnsent(0, false);
  } catch (error) {
    if (error instanceof Locked) onFatal(error);
    else if (error instanceof Refused) console.error(error);
    else if (!state.outbox.waiting) isAway();
  }
}

// ---- the way in

async function enter(annotator) {
  const told = await insist(() => post('hello', {annotator}), isAway);
  onUnsent(0, false);
  state.annotator = annotator;
  localStorage.setItem(NAME, annotator);
  $('task').textContent = told.env;
  player.fps = told.fps;
  hear(told);
  if (!told.goal) return welcome();
  state.deck?.close();
  if (state.deck && state.deck.annotator !== annotator) state.deck.giveBack();
  state.deck = new Deck(annotator, told.run, told.lease_s, isAway);
  state.outbox ??= new Outbox(told.run, {onDone, onRefused, onChange: onUnsent, onFatal});
  state.polling ??= setInterval(poll, POLL_MS);
  if (!told.seen || !told.ready) {
    setMode('lesson');
    state.lesson = new Lesson(annotator, state.deck, stage, isAway, () => state.told);
    await state.lesson.give();
    state.lesson = null;
  }
  await state.deck.recall();
  await showCurrent();
}

function welcome(editing = false) {
  showCurrent.turn = null; // whatever was coming up, comes later
  setMode('welcome');
  $('name').value = state.annotator || localStorage.getItem(NAME) || '';
  $('goal-fields').hidden = Boolean(state.goal) && !editing;
  $('welcome-error').textContent = '';
  fillForm(state.goal);
  ($('name').value ? $('text') : $('name')).focus();
}

async function submit() {
  const name = $('name').value.trim();
  try {
    const told = await post('hello', {annotator: name});
    if (!$('goal-fields').hidden) state.goal = await saveGoal();
    else state.goal ??= told.goal;
    showGoal(state.goal);
    if (!state.goal) {
      $('goal-fields').hidden = false; // the first one here writes it
      return;
    }
    await enter(name);
  } catch (error) {
    if (error instanceof Refused) $('welcome-error').textContent = error.message;
    else if (error instanceof Locked) onFatal(error);
    else $('welcome-error').textContent = 'The server does not answer: try again.';
  }
}

// ---- keys and buttons

const ACTIONS = {
  ' ': () => player.toggle(),
  ',': () => player.step(-1),
  '.': () => player.step(1),
  h: slow,
  u: undo,
  Backspace: undo,
  '?': help,
};

function slow() {
  player.slow = !player.slow;
  $('slow').setAttribute('aria-pressed', player.slow);
}

function help() { $('help').showModal(); }

function onKey(event) {
  const writing = event.target.matches('textarea, input:not([type=range])');
  if (writing || $('help').open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches('button') && [' ', 'Enter'].includes(event.key)) return; // it presses the button
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (!(key in KEYS) && !(key in ACTIONS)) return;
  event.preventDefault();
  if (key in KEYS) {
    if (!event.repeat) choose(KEYS[key]);
  } else if (!event.repeat || [',', '.'].includes(key)) ACTIONS[key]();
}

function onClick(id, act) { $(id).addEventListener('click', act); }

document.addEventListener('keydown', onKey);
document.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  if (event.detail) button.blur(); // clicked with the mouse: space shall pause, not press it again
  if (button.dataset.choice) choose(button.dataset.choice);
});
document.addEventListener('visibilitychange', () => { state.unseen ||= document.hidden; });
onClick('play', ACTIONS[' ']);
onClick('back', ACTIONS[',']);
onClick('forth', ACTIONS['.']);
onClick('slow', slow);
onClick('undo', undo);
onClick('rest-undo', undo);
onClick('rest-on', () => { state.goingOn = true; showCurrent(); });
onClick('skip', () => choose('skip'));
onClick('help-open', help);
onClick('help-close', () => $('help').close());
onClick('edit-goal', () => { $('help').close(); welcome(true); });
onClick('edit-name', () => { $('help').close(); welcome(false); });
$('scrub').addEventListener('input', () => player.seek(Number($('scrub').value)));
$('welcome').addEventListener('submit', event => { event.preventDefault(); submit(); });

const known = localStorage.getItem(NAME);
(known ? enter(known) : hearFirst()).catch(error => error instanceof Refused ? welcome() : onFatal(error));

// A newcomer sees the goal, or that there is none, before giving a name.
async function hearFirst() {
  const told = await insist(() => progress('newcomer'), isAway);
  onUnsent(0, false);
  hear(told);
  welcome();
}

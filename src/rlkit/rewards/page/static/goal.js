// The goal: always in sight, and the form in which it is written.

import {post} from './api.js';

const $ = id => document.getElementById(id);
const lines = id => $(id).value.split('\n').map(line => line.trim()).filter(Boolean);

export function showGoal(goal) {
  $('goal').hidden = !goal;
  if (!goal) return;
  $('goal-text').textContent = goal.text;
  for (const [id, items] of [['ties', goal.tie_breakers], ['nots', goal.must_nots]]) {
    $(id).hidden = !items.length;
    $(id).querySelector('ol, ul').replaceChildren(...items.map(item => {
      const entry = document.createElement('li');
      entry.textContent = item;
      return entry;
    }));
  }
}

export function fillForm(goal) {
  $('text').value = goal?.text ?? '';
  $('tie-breakers').value = goal?.tie_breakers.join('\n') ?? '';
  $('must-nots').value = goal?.must_nots.join('\n') ?? '';
}

// Sends what the form holds; the server refuses an empty goal.
export async function saveGoal() {
  const written = {text: $('text').value, tie_breakers: lines('tie-breakers'), must_nots: lines('must-nots')};
  return (await post('goal', written)).goal;
}

// How far the labelling is, and when answers have an effect.

const $ = id => document.getElementById(id);

export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

export function showProgress({answered, pairs, budget, mine}) {
  const all = budget ?? pairs;
  $('bar').style.setProperty('width', `${all ? Math.min(100, 100 * answered / all) : 0}%`);
  const bar = document.querySelector('.bar');
  bar.setAttribute('aria-valuenow', answered);
  bar.setAttribute('aria-valuemax', all);
  $('count').textContent = budget === null ? `${answered} answered, no end set` : `${answered} of ${budget}, ${Math.max(0, budget - answered)} left`;
  $('mine').textContent = `${mine} by you`;
}

export function showEffect(training) {
  let text = 'Training is not running: answers are kept for it.';
  if (training?.waiting) text = 'The agent waits for its first answers.';
  else if (training) {
    text = training.effect_s === null ? 'The agent is training; your answers are used at its next fit.'
      : `Your answers reach the agent in about ${duration(training.effect_s)}.`;
    if (training.starving) text = `Answers are scarce. ${text}`;
  }
  $('effect').textContent = text;
}

export function showRest({progress: {answered, budget, pairs, leased}, training}) {
  const done = budget !== null && answered >= budget;
  $('rest-title').textContent = done ? 'All done. Thank you!' : 'Nothing to compare right now';
  let text = training ? 'The agent practises what it learnt; the next pairs come up here by themselves.'
    : 'Training is not running. When it goes on, new pairs come up here by themselves.';
  if (leased) text = `Others are looking at the last ${leased === 1 ? 'pair' : `${leased} pairs`}. ${text}`;
  $('rest-text').textContent = done ? `${budget} questions are answered: the agent has all that it asked for.` : text;
}

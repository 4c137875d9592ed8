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

const pairs = count => count === 1 ? 'one pair' : `${count} pairs`;

export function showEffect(training) {
  $('effect').textContent = effect(training);
  document.body.dataset.training = training?.state ?? 'none';
}

function effect(training) {
  switch (training?.state) {
    case 'exploring': return 'The agent explores; its first questions come soon.';
    case 'waiting': return `The agent waits for its first answers: ${pairs(training.missing)} to go.`;
    case 'learning': {
      if (training.last_fit) return 'The agent has learned from answers for the last time in this run; later ones are kept for when it goes on.';
      const {effect_s} = training;
      const when = effect_s === null ? 'Your answers reach the agent when it learns from them next.'
        : effect_s < 3 ? 'Your answers reach the agent in a moment.' : `Your answers reach the agent in about ${duration(effect_s)}.`;
      return training.starving ? `The agent has less than half of the answers it asked for. ${when}` : when;
    }
    case 'ended': return 'The training is over: further answers are kept for when it goes on.';
    case 'stopped': return 'The training was stopped: answers are kept for when it goes on.';
    default: return 'The training is not running: answers are kept for it.';
  }
}

export function firstClips(training) {
  return training ? 'As soon as the agent asks its first questions, the lesson begins.'
    : 'The training is not running. When it asks its first questions, the lesson begins.';
}

export function isOver(told) { return told?.training?.state === 'ended'; }

export function showRest({progress, training}) {
  const {answered, budget, leased} = progress, left = progress.pairs - answered;
  const done = budget !== null && answered >= budget, over = training?.state === 'ended';
  $('rest-title').textContent = over ? 'The training is over. Thank you!' : done ? 'All done. Thank you!' : 'Nothing to compare right now';
  $('rest-text').textContent = over ? `${answered} of the agent’s questions were answered. What came of it is told by report.md in the run folder.`
    : done ? `${budget} questions are answered: the agent has all that it asked for.`
      : (leased ? `Others are looking at the last ${leased === 1 ? 'pair' : pairs(leased)}. ` : '') + next(training);
  $('rest-on').hidden = !over || !left;
  $('rest-on').textContent = `Answer ${left === 1 ? 'one more' : `${left} more`}, for when it goes on`;
}

function next(training) {
  switch (training?.state) {
    case 'waiting': return 'The agent waits for its first answers.';
    case 'exploring': case 'learning': return 'The agent practises what it has learned; the next pairs come up here by themselves.';
    default: return 'The training is not running. When it goes on, new pairs come up here by themselves.';
  }
}

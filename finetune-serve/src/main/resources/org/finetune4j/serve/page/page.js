'use strict';

const $ = id => document.getElementById(id);
const COLORS = 6;

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in node && key !== 'list') node[key] = value; else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

// ---- asking the server

function headers() {
  const key = $('key').value.trim();
  return key ? { 'Content-Type': 'application/json', Authorization: 'Bearer ' + key } : { 'Content-Type': 'application/json' };
}

async function ask(path, options = {}) {
  const response = await fetch(path, { ...options, headers: headers() });
  if (!response.ok) {
    let message = 'status ' + response.status;
    try { message = (await response.json()).error.message; } catch (e) { /* no JSON: the status says what there is to say */ }
    throw new Error(message);
  }
  return response;
}

function notice(text) {
  $('notice').textContent = text;
  $('notice').hidden = !text;
}

// ---- tabs

const tabs = [...document.querySelectorAll('[role=tab]')];

function select(tab) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute('aria-selected', chosen);
    each.tabIndex = chosen ? 0 : -1;
    $(each.getAttribute('aria-controls')).hidden = !chosen;
  }
  refresh();
}

tabs.forEach((tab, index) => {
  tab.addEventListener('click', () => select(tab));
  tab.addEventListener('keydown', event => {
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      const next = tabs[to % tabs.length];
      next.focus();
      select(next);
    }
  });
});

const isShown = id => !$(id).hidden && !document.hidden;

// ---- models

async function listModels() {
  const list = (await (await ask('v1/models')).json()).data;
  const chosen = $('model').value;
  if (list.map(model => model.id).join('\n') === [...$('model').options].map(option => option.value).join('\n')) return;
  $('model').replaceChildren(...list.map(model =>
    element('option', { value: model.id, textContent: model.parent ? model.id + ' (adapter)' : model.id })));
  if (list.some(model => model.id === chosen)) $('model').value = chosen;
}

// ---- chat

let conversation = [];
let running = null;

function show(role, text) {
  const body = element('span', { className: 'text', textContent: text });
  const item = element('li', { className: role }, element('span', { className: 'who', textContent: role === 'user' ? 'You' : $('model').value }), body);
  $('messages').append(item);
  item.scrollIntoView({ block: 'nearest' });
  return { item, body };
}

/** Reads server-sent events; gives the JSON of each, and says whether the stream came to its end. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error('the connection ended before the answer did');
    const parts = (rest + value).split('\n\n');
    rest = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, '');
      if (data === '[DONE]') return;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}

async function send() {
  const question = $('question').value.trim();
  if (!question || running) return;
  notice('');
  $('question').value = '';
  conversation.push({ role: 'user', content: question });
  show('user', question);
  const { item, body } = show('assistant', '');
  running = new AbortController();
  $('send').disabled = true;
  $('stop').disabled = false;
  $('status').textContent = 'Answering…';
  const request = {
    model: $('model').value, messages: conversation, stream: true, stream_options: { include_usage: true },
    temperature: Number($('temperature').value), max_completion_tokens: Number($('max-tokens').value)
  };
  if ($('seed').value !== '') request.seed = Number($('seed').value);
  const start = performance.now();
  let text = '';
  let reason = '';
  let tokens = 0;
  try {
    const response = await ask('v1/chat/completions', { method: 'POST', body: JSON.stringify(request), signal: running.signal });
    for await (const event of events(response)) {
      const choice = event.choices[0];
      if (choice) {
        text += choice.delta.content || '';
        body.textContent = text;
        reason = choice.finish_reason || reason;
      }
      if (event.usage) tokens = event.usage.completion_tokens;
      $('messages').scrollTop = $('messages').scrollHeight;
    }
    const seconds = (performance.now() - start) / 1000;
    $('status').textContent = `Answered: ${tokens} tokens in ${seconds.toFixed(1)} s` + (reason === 'length' ? ', cut off at the longest answer' : '');
    conversation.push({ role: 'assistant', content: text });
  } catch (error) {
    const stopped = error.name === 'AbortError';
    const why = stopped ? 'Stopped here: the answer is not complete' : 'Ended here: ' + error.message;
    item.append(element('span', { className: 'end', textContent: why }));
    $('status').textContent = why;
    if (text) {
      conversation.push({ role: 'assistant', content: text });
    } else {
      conversation.pop();
      if (!$('question').value) $('question').value = question; // to be asked again
    }
  } finally {
    running = null;
    $('send').disabled = false;
    $('stop').disabled = true;
    $('question').focus();
  }
}

$('ask').addEventListener('submit', event => { event.preventDefault(); send(); });
$('question').addEventListener('keydown', event => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
});
document.addEventListener('keydown', event => { if (event.key === 'Escape' && running) running.abort(); });
$('stop').addEventListener('click', () => running && running.abort());
$('clear').addEventListener('click', () => {
  if (running) running.abort();
  conversation = [];
  $('messages').replaceChildren();
  $('status').textContent = 'New conversation';
});

// ---- adapters

async function listAdapters() {
  const list = (await (await ask('v1/adapters')).json()).data;
  $('adapter-rows').replaceChildren(...list.map(adapter => {
    const unload = element('button', { type: 'button', textContent: 'Unload' });
    unload.setAttribute('aria-label', 'Unload ' + adapter.name);
    unload.addEventListener('click', () => change('Unloaded ' + adapter.name,
      () => ask('v1/adapters/' + encodeURI(adapter.name), { method: 'DELETE' })));
    return element('tr', {},
      element('td', { textContent: adapter.name }), element('td', { textContent: adapter.path }),
      element('td', { textContent: adapter.loaded ? (adapter.bytes / 1048576).toFixed(1) + ' MiB' : 'no' }), element('td', {}, unload));
  }));
}

async function change(done, action) {
  try {
    await action();
    $('adapter-status').textContent = done;
  } catch (error) {
    $('adapter-status').textContent = 'Not done: ' + error.message;
  }
  await Promise.all([listAdapters(), listModels()]);
}

$('load').addEventListener('submit', event => {
  event.preventDefault();
  const name = $('adapter-name').value.trim();
  const path = $('adapter-path').value.trim();
  change('Loaded ' + name, () => ask('v1/adapters', { method: 'POST', body: JSON.stringify({ name, path }) }));
});

// ---- metrics

const SHOWN = {
  finetune_requests_running: 'Requests that run or wait', finetune_rows_running: 'Answers computed now',
  finetune_prompts_waiting: 'Prompts that wait', finetune_tokens_completion_total: 'Tokens of answers',
  finetune_tokens_prompt_total: 'Tokens of prompts', finetune_adapters_loaded: 'Adapters in memory',
  finetune_cache_bytes: 'Keys and values', finetune_requests_refused_total: 'Requests refused, queue full',
  finetune_requests_abandoned_total: 'Requests whose client went away'
};
const SPEED_SECONDS = 120;
const amount = (key, number) => key.endsWith('_bytes') ? (number / 1048576).toFixed(1) + ' MiB' : number.toLocaleString('en');
const speeds = [];
let before = null;

async function readMetrics() {
  const values = {};
  for (const line of (await (await ask('metrics')).text()).split('\n')) {
    const match = /^([a-z_]+) (\S+)$/.exec(line);
    if (match) values[match[1]] = Number(match[2]);
  }
  const now = { time: performance.now() / 1000, tokens: values.finetune_tokens_completion_total };
  if (before && now.time - before.time >= 1) {
    speeds.push([now.time, (now.tokens - before.tokens) / (now.time - before.time)]);
    while (speeds.length && speeds[0][0] < now.time - SPEED_SECONDS) speeds.shift();
  }
  if (!before || now.time - before.time >= 1) before = now;
  if (!isShown('metrics')) return;
  $('numbers').replaceChildren(...Object.entries(SHOWN).map(([key, label]) => element('div', {},
    element('dt', { textContent: label }), element('dd', { textContent: amount(key, values[key] ?? 0) }))));
  $('speed').replaceChildren(chart([{ color: 0, points: speeds.map(([time, value]) => [time - now.time, value]) }], 'seconds', 'tokens a second', [-SPEED_SECONDS, 0]));
}

// ---- curves

function svg(name, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const short = value => Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(1) : String(Number(value.toPrecision(4)));

/** Some four round numbers from the lowest value to the highest. */
function marks(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(times => times * power).find(each => each >= rough * 0.999);
  const all = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) all.push(i * step);
  return all;
}

function chart(series, across, up, horizontal) {
  const points = series.flatMap(one => one.points).filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  if (!points.length) return element('p', { textContent: 'Nothing to show yet.' });
  const range = index => points.reduce(([low, high], point) => [Math.min(low, point[index]), Math.max(high, point[index])], [Infinity, -Infinity]);
  let [[left, right], [low, high]] = [horizontal || range(0), range(1)];
  if (right === left) { right += 1; }
  if (high === low) { high += 1; low -= low > 0 ? Math.min(1, low) : 0; }
  const x = value => 60 + (value - left) / (right - left) * 620;
  const y = value => 270 - (value - low) / (high - low) * 250;
  const picture = svg('svg', { viewBox: '0 0 700 310', role: 'img' });
  picture.setAttribute('aria-label', `${up} by ${across}, from ${short(low)} to ${short(high)}`);
  for (const value of marks(low, high)) {
    picture.append(svg('line', { class: 'grid', x1: 60, x2: 680, y1: y(value), y2: y(value) }),
      svg('text', { x: 54, y: y(value) + 4, 'text-anchor': 'end' }, short(value)));
  }
  for (const place of marks(left, right)) picture.append(svg('text', { x: x(place), y: 288, 'text-anchor': 'middle' }, short(place)));
  picture.append(svg('text', { x: 370, y: 306, 'text-anchor': 'middle' }, across));
  for (const one of series) {
    const path = one.points.filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b)).map(([a, b]) => x(a).toFixed(1) + ',' + y(b).toFixed(1));
    picture.append(svg('polyline', { class: 's' + one.color % COLORS + (one.heldOut ? ' held-out' : ''), points: path.join(' ') }));
  }
  return picture;
}

// ---- runs

const chosenRuns = new Set();
let firstList = true;

async function listRuns() {
  let list;
  try {
    list = (await (await ask('v1/runs')).json()).data;
  } catch (error) {
    $('run-list').textContent = 'No trainings: start the server with --runs FOLDER.';
    return;
  }
  if (firstList && list.length) chosenRuns.add(list[0].id);
  firstList = false;
  const known = [...$('run-list').querySelectorAll('input')].map(input => input.value).join('\n');
  if (known !== list.map(run => run.id).join('\n')) {
    $('run-list').replaceChildren(...list.map(run => {
      const box = element('input', { type: 'checkbox', value: run.id, checked: chosenRuns.has(run.id) });
      box.addEventListener('change', () => { box.checked ? chosenRuns.add(run.id) : chosenRuns.delete(run.id); showRuns(); });
      return element('label', {}, box, ' ' + run.id);
    }));
    if (!list.length) $('run-list').textContent = 'No trainings yet.';
  }
  await showRuns();
}

const number = value => typeof value === 'number' ? value : NaN;
const value = (event, key) => number(key in event ? event[key] : (event.metrics || {})[key]);

async function showRuns() {
  const runs = await Promise.all([...chosenRuns].slice(0, COLORS).map(async id => (await ask('v1/runs/' + encodeURI(id))).json()));
  const keys = new Set(['loss', 'learning_rate', 'grad_norm', 'tokens_per_second']);
  for (const run of runs) {
    const last = run.steps[run.steps.length - 1];
    Object.keys((last && last.metrics) || {}).forEach(key => keys.add(key));
  }
  const curve = $('curve').value || 'loss';
  if ([...keys].join() !== [...$('curve').options].map(option => option.value).join()) {
    $('curve').replaceChildren(...[...keys].map(key => element('option', { value: key, textContent: key })));
    $('curve').value = keys.has(curve) ? curve : 'loss';
  }
  const series = [];
  runs.forEach((run, color) => {
    series.push({ color, points: run.steps.map(step => [step.step, value(step, $('curve').value)]) });
    const heldOut = run.events.filter(event => event.event === 'evaluation').map(event => [event.step, value(event, $('curve').value)]);
    if (heldOut.some(point => Number.isFinite(point[1]))) series.push({ color, heldOut: true, points: heldOut });
  });
  const legend = element('p', { className: 'legend' }, ...runs.map((run, color) => element('span', { className: 't' + color, textContent: run.id })),
    ' (dashed: held-out)');
  $('curves').replaceChildren(...(runs.length ? [chart(series, 'step', $('curve').value), legend] : []));
  $('run-details').replaceChildren(...(runs.length ? [summary(runs), ...runs.flatMap(samples)] : []));
}

function state(run) {
  const end = run.events.filter(event => event.event === 'end' || event.event === 'failure').pop();
  const start = run.events.map(event => event.event).lastIndexOf('start');
  if (!end || run.events.indexOf(end) < start) return Date.now() / 1000 - run.modified < 120 ? 'running' : 'silent for ' + Math.round((Date.now() / 1000 - run.modified) / 60) + ' minutes';
  return end.event === 'failure' ? 'failed: ' + end.failure : end.explanation;
}

function summary(runs) {
  const rows = [['State', state]];
  const last = (run, kind) => run.events.filter(event => event.event === kind).pop() || {};
  const step = run => run.steps[run.steps.length - 1] || {};
  const held = run => last(run, 'evaluation');
  rows.push(['Steps', run => `${step(run).step ?? 0} of ${last(run, 'start').total_steps ?? '?'}`],
    ['Loss', run => short(number(step(run).loss))],
    ['Held-out loss', run => Number.isFinite(number(held(run).loss)) ? short(held(run).loss) : 'none'],
    ['Tokens a second', run => short(number(step(run).tokens_per_second))],
    ['Memory at the peak, and planned', run => {
      const memory = last(run, 'memory');
      return memory.event ? `${memory.measured_megabytes.toLocaleString('en')} MB, ${memory.planned_megabytes.toLocaleString('en')} MB` : 'not compared';
    }],
    ['Trained parameters', run => (last(run, 'start').trainable_parameters ?? 0).toLocaleString('en')],
    ['Warnings', run => run.events.filter(event => event.event === 'warning').map(event => event.message).join('\n') || 'none']);
  const configurations = runs.map(run => last(run, 'start').configuration || {});
  for (const key of new Set(configurations.flatMap(Object.keys))) {
    const texts = configurations.map(configuration => JSON.stringify(configuration[key]));
    if (runs.length === 1 || new Set(texts).size > 1) rows.push([key, run => JSON.stringify((last(run, 'start').configuration || {})[key]) ?? '']);
  }
  return element('table', {},
    element('caption', { textContent: runs.length > 1 ? 'Side by side; of the settings, those that differ' : 'Run' }),
    element('thead', {}, element('tr', {}, element('th', { scope: 'col', textContent: '' }), ...runs.map(run => element('th', { scope: 'col', textContent: run.id })))),
    element('tbody', {}, ...rows.map(([label, of]) => element('tr', {}, element('th', { scope: 'row', textContent: label }),
      ...runs.map(run => element('td', { className: 'text', textContent: of(run) }))))));
}

function samples(run) {
  const last = run.events.filter(event => event.event === 'samples').pop();
  if (!last) return [];
  const columns = ['prompt', 'expected', 'before', 'after'];
  return [element('table', {}, element('caption', { textContent: 'Samples of ' + run.id + ' at step ' + last.step }),
    element('thead', {}, element('tr', {}, ...columns.map(column => element('th', { scope: 'col', textContent: column })))),
    element('tbody', {}, ...last.samples.map(sample => element('tr', {}, ...columns.map(column => element('td', { className: 'text', textContent: sample[column] ?? '' }))))))];
}

$('curve').addEventListener('change', showRuns);

// ---- keeping up

async function refresh() {
  try {
    if (isShown('chat')) await listModels();
    if (isShown('adapters')) await listAdapters();
    if (isShown('runs')) await listRuns();
    if (!document.hidden) await readMetrics();
    notice('');
  } catch (error) {
    notice('The server does not answer as it should: ' + error.message);
  }
}

$('key-form').addEventListener('submit', event => { event.preventDefault(); $('key').blur(); });
$('key').addEventListener('change', () => listModels().then(refresh, error => notice(error.message)));
listModels().catch(error => notice(error.message));
setInterval(refresh, 2000);
$('question').focus();

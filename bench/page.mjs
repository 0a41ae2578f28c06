// Uses the page of a server that runs as somebody at a browser does, in headless Chromium:
//   npm install playwright-core && node bench/page.mjs http://127.0.0.1:8000 --path ADAPTER [--key KEY] [--shots FOLDER] [--chromium /usr/bin/chromium]
// ADAPTER is a path within the server's folder of adapters. Runs are looked at where the server was started with --runs.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';

const [url, ...rest] = process.argv.slice(2);
const option = (name, otherwise) => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : otherwise);
const path = option('--path');
const shots = option('--shots');
const executablePath = option('--chromium', '/usr/bin/chromium');
if (!url || !path) throw new Error('usage: node page.mjs URL --path ADAPTER [--key KEY] [--shots FOLDER] [--chromium FILE]');
const { chromium } = await import('playwright-core').catch(() => ({}));
if (!chromium || !existsSync(executablePath)) {
  console.log('skipped: there is no playwright-core or no ' + executablePath);
  process.exit(0);
}
if (shots) mkdirSync(shots, { recursive: true });

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1100, height: 850 } });
const mistakes = [];
page.on('pageerror', error => mistakes.push(String(error)));
page.on('console', message => message.type() === 'error' && mistakes.push(message.text()));
page.on('request', request => !request.url().startsWith(url) && !request.url().startsWith('data:') && mistakes.push('asks elsewhere: ' + request.url()));
const shot = async name => shots && page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
const text = selector => page.locator(selector).innerText();
const answered = () => page.waitForFunction(() => document.getElementById('status').textContent.startsWith('Answered'), null, { timeout: 120_000 });

await page.goto(url);
if (option('--key')) {
  await page.locator('summary').click();
  await page.fill('#key', option('--key'));
  await page.press('#key', 'Enter');
}
await page.waitForFunction(() => document.querySelectorAll('#model option').length > 0);
assert.equal(await page.evaluate(() => document.activeElement.id), 'question', 'the question has the focus at first');

// A question by keyboard alone; the answer comes piece by piece.
await page.evaluate(() => {
  window.pieces = new Set();
  new MutationObserver(() => window.pieces.add(document.querySelector('#messages li:last-child .text')?.textContent))
    .observe(document.getElementById('messages'), { childList: true, subtree: true, characterData: true });
});
await page.keyboard.type('Tell me a story.');
await page.keyboard.press('Enter');
await answered();
assert.ok(await page.evaluate(() => window.pieces.size) > 5, 'the answer streams');
assert.match(await text('#status'), /^Answered: \d+ tokens in [\d.]+ s/);
await shot('chat');

// A stopped answer says so, and so does one whose connection ends.
await page.click('#clear');
await page.fill('#max-tokens', '200');
await page.fill('#question', 'And another one.');
await page.keyboard.press('Enter');
await page.waitForFunction(() => document.querySelector('#messages li:last-child .text').textContent.length > 10);
await page.keyboard.press('Escape');
await page.waitForFunction(() => !document.getElementById('send').disabled);
assert.match(await text('#messages li:last-child .end'), /Stopped here/);
assert.match(await text('#status'), /Stopped here/);
await shot('stopped');
await page.route('**/v1/chat/completions', route => route.fulfill({ contentType: 'text/event-stream', body: 'data: {"choices":[{"delta":{"content":"Once"}}]}\n\n' }));
await page.fill('#question', 'A third.');
await page.keyboard.press('Enter');
await page.waitForFunction(() => !document.getElementById('send').disabled);
assert.match(await text('#messages li:last-child .end'), /the connection ended before the answer did/);
await page.unroute('**/v1/chat/completions');

// A mistake of a setting is told in the server's words, and the question is not lost.
await page.fill('#max-tokens', '24');
await page.fill('#temperature', '-1');
await page.fill('#question', 'A question to keep');
await page.keyboard.press('Enter');
await page.waitForFunction(() => !document.getElementById('send').disabled);
assert.match(await text('#status'), /temperature/);
assert.equal(await page.inputValue('#question'), 'A question to keep');
mistakes.splice(0, mistakes.length, ...mistakes.filter(each => !/status of 400/.test(each)));
await page.fill('#temperature', '0.7');
await page.click('#clear');
assert.equal(await page.locator('#messages li').count(), 0);

// The tabs by keyboard.
await page.focus('#tab-chat');
await page.keyboard.press('ArrowRight');
assert.equal(await page.evaluate(() => document.activeElement.id), 'tab-adapters');
assert.ok(await page.isVisible('#adapters') && !await page.isVisible('#chat'));
await page.keyboard.press('End');
assert.equal(await page.evaluate(() => document.activeElement.id), 'tab-runs');
await page.keyboard.press('Home');
assert.equal(await page.evaluate(() => document.activeElement.id), 'tab-chat');

// An adapter is loaded, chosen, answers, and is taken away.
await page.click('#tab-adapters');
await page.fill('#adapter-name', 'page-test');
await page.fill('#adapter-path', path + '-that-is-not-there');
await page.keyboard.press('Enter');
await page.waitForFunction(() => /Not done: .*folder of adapters/.test(document.getElementById('adapter-status').textContent));
mistakes.splice(0, mistakes.length, ...mistakes.filter(each => !/status of 404/.test(each)));
await page.fill('#adapter-path', path);
await page.keyboard.press('Enter');
await page.waitForFunction(() => document.getElementById('adapter-status').textContent === 'Loaded page-test');
await page.waitForFunction(() => /page-test/.test(document.getElementById('adapter-rows').textContent));
await shot('adapters');
await page.click('#tab-chat');
await page.selectOption('#model', 'page-test');
await page.fill('#question', 'Tell me a story.');
await page.keyboard.press('Enter');
await answered();
assert.match(await text('#messages li:last-child .who'), /page-test/);
await page.click('#tab-adapters');
await page.click('button[aria-label="Unload page-test"]');
await page.waitForFunction(() => document.getElementById('adapter-status').textContent === 'Unloaded page-test');

// Metrics live.
await page.click('#tab-metrics');
await page.waitForSelector('#speed svg');
const tokens = () => page.locator('#numbers div', { hasText: 'Tokens of answers' }).locator('dd').innerText();
const before = await tokens();
await page.evaluate(key => fetch('v1/completions', {
  method: 'POST', headers: { 'Content-Type': 'application/json', ...(key ? { Authorization: 'Bearer ' + key } : {}) },
  body: JSON.stringify({ prompt: 'Once', max_tokens: 9 })
}).then(response => response.text()), option('--key'));
await page.waitForFunction(old => [...document.querySelectorAll('#numbers div')].find(each => each.textContent.startsWith('Tokens of answers')).querySelector('dd').textContent !== old, before);
await shot('metrics');

// Runs, side by side where there are two.
await page.click('#tab-runs');
await page.waitForFunction(() => document.getElementById('run-list').textContent.trim() !== '');
const boxes = await page.locator('#run-list input').count();
if (boxes > 0) {
  await page.waitForSelector('#curves svg');
  await page.waitForSelector('#run-details table');
  if (boxes > 1) {
    await page.locator('#run-list input').nth(1).check();
    await page.waitForFunction(() => /Side by side/.test(document.getElementById('run-details').textContent));
  }
  await page.selectOption('#curve', 'learning_rate');
}
await shot('runs');
mistakes.splice(0, mistakes.length, ...mistakes.filter(each => boxes > 0 || !/status of 404/.test(each)));

// Every field has a name that a screen reader can say, and nothing is wider than a telephone.
const nameless = await page.evaluate(() => [...document.querySelectorAll('input, select, textarea, button')]
  .filter(each => !each.labels?.length && !each.getAttribute('aria-label') && !each.textContent.trim()).map(each => each.outerHTML));
assert.deepEqual(nameless, []);
await page.setViewportSize({ width: 390, height: 800 });
for (const tab of ['chat', 'adapters', 'metrics', 'runs']) {
  await page.click('#tab-' + tab);
  await page.waitForTimeout(200);
  await shot('narrow-' + tab);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${tab} is ${wide} pixels wider than the screen`);
}
await page.emulateMedia({ colorScheme: 'dark' });
await page.setViewportSize({ width: 1100, height: 850 });
await shot('dark-runs');
assert.deepEqual(mistakes, []);
await browser.close();
console.log('the page: all as it should be' + (boxes > 0 ? `, ${boxes} runs` : ', no runs'));

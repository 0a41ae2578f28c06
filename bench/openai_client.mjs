// Asks a server that runs with npm's `openai` client, as users do: node bench/openai_client.mjs http://127.0.0.1:8000 [KEY]
import OpenAI from 'openai';
import assert from 'node:assert/strict';

const [url, apiKey = 'none'] = process.argv.slice(2);
if (!url) throw new Error('usage: node openai_client.mjs URL [KEY]');
const client = new OpenAI({ baseURL: url + '/v1', apiKey, maxRetries: 0 });

const models = [];
for await (const model of client.models.list()) models.push(model.id);
const model = models[0];

const chat = { model, messages: [{ role: 'user', content: 'hello' }], max_completion_tokens: 12, temperature: 0.9, seed: 3, n: 2 };
const whole = await client.chat.completions.create({ ...chat, logprobs: true, top_logprobs: 2 });
assert.equal(whole.choices.length, 2);
assert.equal(whole.choices[0].logprobs.content[0].top_logprobs.length, 2);
assert.ok(whole.usage.completion_tokens > 0 && whole.usage.completion_tokens <= 24);

const texts = ['', ''];
let usage;
for await (const event of await client.chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } })) {
  for (const choice of event.choices) texts[choice.index] += choice.delta.content ?? '';
  usage = event.usage ?? usage;
}
assert.deepEqual(texts, whole.choices.map(choice => choice.message.content));
// The second one begins with what the first computed: only how much of the prompt was kept may differ.
assert.deepEqual({ ...usage, prompt_tokens_details: null }, { ...whole.usage, prompt_tokens_details: null });

const text = { model, prompt: 'the', max_tokens: 16, temperature: 0 };
const all = (await client.completions.create(text)).choices[0].text;
const stop = all.slice(4, 7);
assert.equal((await client.completions.create({ ...text, stop })).choices[0].text, all.slice(0, all.indexOf(stop)));

await assert.rejects(client.chat.completions.create({ ...chat, model: 'nobody' }), error => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
await assert.rejects(client.chat.completions.create({ ...chat, presence_penalty: 0.5 }), error => error.param === 'presence_penalty');

const aborted = new AbortController();
await assert.rejects(async () => {
  const stream = await client.chat.completions.create({ ...chat, n: 1, stream: true }, { signal: aborted.signal });
  for await (const event of stream) aborted.abort();
  if (aborted.signal.aborted) throw new Error('aborted');
});
console.log('the openai client of npm: all as it should be, models', models.join(', '));

// Waits until the platform accepts the API key in a file as an administrator's: node wait-for-admin.mjs <url> <key file> <seconds>
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const [url, keyFile, seconds] = process.argv.slice(2);
if (!(Number(seconds) >= 0)) fail(`--wait needs a number of seconds, not ${seconds}`);
if (!URL.canParse(url)) fail(`--url needs a URL, not ${url}`);
const authorization = `Bearer ${readFileSync(keyFile, 'utf8').trim()}`;
const deadline = Date.now() + Number(seconds) * 1000;

for (let before = ''; ; await pause(500)) {
  const state = await ask();
  if (state === 'admin') process.exit(0);
  if (state !== before) console.log(state);
  before = state;
  if (Date.now() > deadline) fail(`the key was not accepted within ${seconds} s`);
}

async function ask() {
  try {
    const answer = await fetch(new URL('/api/v1/me', url), { headers: { authorization }, signal: AbortSignal.timeout(5000) });
    if (answer.status === 401) return `${url} does not accept the key in ${keyFile}; the platform registers it when it starts: restart it`;
    if (answer.status !== 200) return `${url} answers ${answer.status}; waiting`;
    const { role } = await answer.json();
    return role === 'admin' ? 'admin' : fail(`the key in ${keyFile} belongs to a user who is no administrator`);
  } catch (error) {
    return `${url} does not answer (${error.cause?.code ?? error.name}); waiting for the platform to start`;
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

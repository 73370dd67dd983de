import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanUp, givenRuntime, isGone, pidsIn, waitFor } from '../runtime.fixture.js';

afterEach(cleanUp);

/** A shell, a child, a grandchild, one in a session of its own, and one deaf to SIGTERM; each writes its pid. */
const familyOfFive = [
  'echo $$ >> pids',
  '(echo $BASHPID >> pids; sleep 600 & echo $! >> pids; wait) &',
  "setsid sh -c 'echo $$ >> pids; exec sleep 600' &",
  `sh -c 'trap "" TERM; echo $$ >> pids; while :; do sleep 1; done' &`,
  'wait',
].join('\n');

describe('POST /execute', () => {
  it('S1-09 answers with stdout, stderr and the exit code', async () => {
    const runtime = await givenRuntime();
    const answer = await runtime.execute({ command: 'echo hello; echo oops >&2; exit 3' });
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ stdout: 'hello\n', stderr: 'oops\n', exit_code: 3 });
  });

  it('S0-35 runs the command of /v1/shell/exec the same way', async () => {
    const runtime = await givenRuntime();
    await writeFile(join(runtime.folder, 'file.txt'), '');
    const answer = await runtime.call('POST', '/v1/shell/exec', '{"command":"ls"}', { 'content-type': 'application/json' });
    expect(answer.json).toEqual({ stdout: 'file.txt\n', stderr: '', exit_code: 0 });
  });

  it.each([
    ['exit 0', 0],
    ['exit 255', 255],
    ['kill -9 $$', 137],
    ['kill -TERM $$', 143],
    ['no-such-program-anywhere', 127],
    ["printf '#' > f; ./f", 126],
  ])('S1-09 gives the exit code a shell would give: %s', async (command, expected) => {
    const runtime = await givenRuntime();
    expect((await runtime.execute({ command })).json.exit_code).toBe(expected);
  });

  it('runs in the work folder, or in the folder below it that cwd names', async () => {
    const runtime = await givenRuntime();
    await mkdir(join(runtime.folder, 'a/b'), { recursive: true });
    expect((await runtime.execute({ command: 'pwd' })).json.stdout).toBe(`${runtime.folder}\n`);
    expect((await runtime.execute({ command: 'pwd', cwd: '.' })).json.stdout).toBe(`${runtime.folder}\n`);
    expect((await runtime.execute({ command: 'pwd', cwd: 'a/b' })).json.stdout).toBe(`${runtime.folder}/a/b\n`);
  });

  it('gives a command its configured and requested environment and nothing of the runtime’s own', async () => {
    process.env.SANDLOT_RUNTIME_SPEC_SECRET = 'hidden';
    const runtime = await givenRuntime({ id: 'box', env: { PATH: process.env.PATH ?? '', GIVEN: 'by spec', BOTH: 'spec' } });
    const { stdout } = (await runtime.execute({ command: 'env', env: { BOTH: 'request' } })).json;
    delete process.env.SANDLOT_RUNTIME_SPEC_SECRET;
    const entries = Object.fromEntries(
      stdout
        .split('\n')
        .slice(0, -1)
        .map((line: string) => line.split(/=(.*)/s).slice(0, 2)),
    );
    const { PWD: _pwd, SHLVL: _level, _, ...given } = entries;
    expect(given).toEqual({
      PATH: process.env.PATH,
      HOME: runtime.folder,
      LANG: 'C.UTF-8',
      GIVEN: 'by spec',
      BOTH: 'request',
      SANDLOT_EXECUTION: 'box/1/',
    });
  });

  it('gives a command an empty stdin', async () => {
    const runtime = await givenRuntime();
    expect((await runtime.execute({ command: 'cat; echo done' })).json.stdout).toBe('done\n');
  });

  it('loses no output that was written right before the exit', async () => {
    const runtime = await givenRuntime();
    const expected = Array.from({ length: 30_000 }, (_, index) => `${index + 1}\n`).join('');
    for (let round = 0; round < 20; round += 1) {
      // The background process holds the pipes open, so their end cannot tell.
      const { stdout } = (await runtime.execute({ command: 'setsid sleep 60 & seq 1 30000' })).json;
      expect(stdout === expected).toBe(true);
    }
  });

  it('keeps characters whole that arrive in pieces', async () => {
    const runtime = await givenRuntime();
    const command = `printf '\\xe2'; sleep 0.05; printf '\\x82'; sleep 0.05; printf '\\xac'`;
    expect((await runtime.execute({ command })).json.stdout).toBe('€');
    const streamed = await runtime.call('POST', '/execute', JSON.stringify({ command }), { accept: 'application/x-ndjson' });
    expect(streamed.text).toBe('{"event":"stdout","text":"€"}\n{"event":"exit","exit_code":0}\n');
  });

  it('gives what is not UTF-8 as U+FFFD', async () => {
    const runtime = await givenRuntime();
    const command = `printf 'a\\xe2'`;
    expect((await runtime.execute({ command })).json.stdout).toBe('a\ufffd');
    const streamed = await runtime.call('POST', '/execute', JSON.stringify({ command }), { accept: 'application/x-ndjson' });
    const texts = streamed.text.split('\n').flatMap((line) => (line.includes('text') ? [JSON.parse(line).text] : []));
    expect(texts.join('')).toBe('a\ufffd');
  });
});

describe('limits', () => {
  it('drops output past the limit, lets the command finish and says that it was cut', async () => {
    const runtime = await givenRuntime({ maxOutputBytes: 1000 });
    const answer = await runtime.execute({ command: 'head -c 5000000 /dev/zero | tr "\\0" x; echo end >&2; touch finished' });
    expect(answer.json).toEqual({ stdout: 'x'.repeat(1000), stderr: 'end\n', exit_code: 0, truncated: true });
    expect((await runtime.call('GET', '/exists/finished')).json.exists).toBe(true);
  });

  it('does not call output cut that fits exactly, and cuts between characters', async () => {
    const runtime = await givenRuntime({ maxOutputBytes: 4 });
    expect((await runtime.execute({ command: 'printf 1234' })).json).toEqual({ stdout: '1234', stderr: '', exit_code: 0 });
    expect((await runtime.execute({ command: 'printf 123é' })).json).toMatchObject({ stdout: '123', truncated: true });
  });

  it('refuses one command more than may run at once, and takes it again when one has ended', async () => {
    const runtime = await givenRuntime({ maxExecutions: 2 });
    const running = [1, 2].map((n) => runtime.execute({ command: `echo $$ >> pids; until [ -e stop ]; do sleep 0.02; done; echo ${n}` }));
    await pidsIn(runtime.folder, 2);
    const refused = await runtime.execute({ command: 'echo three' });
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBe('1');
    expect(refused.json.code).toBe('RATE_LIMITED');
    await writeFile(join(runtime.folder, 'stop'), '');
    expect((await Promise.all(running)).map((answer) => answer.json.stdout)).toEqual(['1\n', '2\n']);
    expect((await runtime.execute({ command: 'echo three' })).status).toBe(200);
  });

  it.each([
    [{}, '/command'],
    [{ command: 7 }, '/command'],
    [{ command: '' }, '/command'],
    [{ command: 'a\0b' }, '/command'],
    [{ command: 'x'.repeat(128 * 1024) }, '/command'],
    [{ command: 'true', timeout: 0 }, '/timeout'],
    [{ command: 'true', timeout: 3601 }, '/timeout'],
    [{ command: 'true', timeout: '5' }, '/timeout'],
    [{ command: 'true', timeout: null }, '/timeout'],
    [{ command: 'true', cwd: 1 }, '/cwd'],
    [{ command: 'true', cwd: '../..' }, '/cwd'],
    [{ command: 'true', cwd: '/etc' }, '/cwd'],
    [{ command: 'true', cwd: 'missing' }, '/cwd'],
    [{ command: 'true', env: [] }, '/env'],
    [{ command: 'true', env: { A: 1 } }, '/env'],
    [{ command: 'true', env: { 'A=B': 'x' } }, '/env'],
    [{ command: 'true', timout: 5 }, '/timout'],
    [[], ''],
  ])('names the field that is wrong: %j', async (body, pointer) => {
    const runtime = await givenRuntime();
    const answer = await runtime.execute(body);
    expect(answer.status).toBe(422);
    expect(answer.json).toMatchObject({ code: 'VALIDATION_FAILED', errors: [{ pointer }] });
  });

  it('refuses an environment that the system cannot take', async () => {
    const runtime = await givenRuntime();
    const answer = await runtime.execute({ command: 'true', env: { BIG: 'x'.repeat(500_000) } });
    expect(answer.json).toMatchObject({ status: 422, code: 'VALIDATION_FAILED' });
  });
});

describe('a command that has to end', () => {
  it('is ended with everything that it started when its time is up', async () => {
    const runtime = await givenRuntime({ killGraceMs: 300 });
    const answer = await runtime.execute({ command: `echo begun\n${familyOfFive}`, timeout: 1 });
    expect(answer.json).toEqual({ stdout: 'begun\n', stderr: '', exit_code: 124, timed_out: true });
    const pids = await pidsIn(runtime.folder, 5);
    expect(pids.filter((pid) => !isGone(pid))).toEqual([]);
  });

  it.each(['*/*', 'text/event-stream'])('is ended with everything that it started when its client leaves (%s)', async (accept) => {
    const runtime = await givenRuntime({ killGraceMs: 300, maxExecutions: 1 });
    const controller = new AbortController();
    const body = JSON.stringify({ command: familyOfFive });
    const call = fetch(`http://127.0.0.1:${runtime.port}/execute`, {
      method: 'POST',
      body,
      headers: { accept },
      signal: controller.signal,
    });
    const pids = await pidsIn(runtime.folder, 5);
    controller.abort();
    await call.then((response) => response.text()).catch(() => undefined);
    await waitFor(() => pids.every(isGone), 'all processes gone');
    await waitFor(async () => (await runtime.execute({ command: 'true' })).status === 200, 'its slot free');
  });

  it('is ended when the runtime closes, and its client still gets an answer', async () => {
    const runtime = await givenRuntime();
    const call = runtime.execute({ command: familyOfFive });
    const pids = await pidsIn(runtime.folder, 5);
    await runtime.close();
    expect(pids.filter((pid) => !isGone(pid))).toEqual([]);
    expect((await call).json).toMatchObject({ exit_code: 143 });
  });

  it('may clean up on SIGTERM before it is killed', async () => {
    const runtime = await givenRuntime({ killGraceMs: 5000 });
    const answer = await runtime.execute({ command: `trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done`, timeout: 0.3 });
    expect(answer.json).toMatchObject({ stdout: 'bye\n', exit_code: 124 });
  });
});

describe('a process left in the background', () => {
  it('does not hold up the answer and is ended when the shell exits', async () => {
    const runtime = await givenRuntime();
    const answer = await runtime.execute({ command: 'sleep 600 & echo $!' });
    expect(answer.json.exit_code).toBe(0);
    await waitFor(() => isGone(Number(answer.json.stdout)), 'the background process gone');
  });

  it('is ended too when it has a process group of its own', async () => {
    const runtime = await givenRuntime();
    const answer = await runtime.execute({ command: 'set -m; sleep 600 > /dev/null 2>&1 & echo $!' });
    await waitFor(() => isGone(Number(answer.json.stdout)), 'the background process gone');
  });

  it('does not hold up the answer by writing without rest', async () => {
    const runtime = await givenRuntime({ maxOutputBytes: 10 });
    const answer = await runtime.execute({ command: 'yes & echo $! >&2; sleep 0.2' });
    expect(answer.json).toMatchObject({ exit_code: 0, truncated: true });
    await waitFor(() => isGone(Number(answer.json.stderr)), 'the background process gone');
  });

  it('stays when setsid detached it, can go on writing, and ends with the runtime', async () => {
    const runtime = await givenRuntime();
    const daemon = `setsid sh -c 'echo $$ >> pids; until [ -e go ]; do sleep 0.02; done; echo written; echo $$ >> pids; sleep 600' &`;
    expect((await runtime.execute({ command: daemon })).json.exit_code).toBe(0);
    await pidsIn(runtime.folder, 1);
    await writeFile(join(runtime.folder, 'go'), '');
    const [pid] = (await pidsIn(runtime.folder, 2)) as [number];
    expect(isGone(pid)).toBe(false);
    await runtime.close();
    expect(isGone(pid)).toBe(true);
  });
});

describe('streaming', () => {
  it.each([
    ['text/event-stream', 'event: stdout\ndata: {"text":"one\\n"}\n\n'],
    ['application/x-ndjson', '{"event":"stdout","text":"one\\n"}\n'],
  ])('S1-09 sends each piece of output when it is written (%s)', async (accept, first) => {
    const runtime = await givenRuntime();
    const command = 'echo one; until [ -e go ]; do sleep 0.02; done; echo two >&2; exit 5';
    const { response } = await runtime.open('/execute', { command }, { accept });
    expect(response.headers['content-type']).toBe(accept);
    const chunks = response.setEncoding('utf8')[Symbol.asyncIterator]();
    // The command waits for us, so this can only arrive if it was not held back.
    expect((await chunks.next()).value).toBe(first);
    await writeFile(join(runtime.folder, 'go'), '');
    let rest = '';
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) rest += next.value;
    expect(rest.match(/stderr|two|exit_code":5/g)).toEqual(['stderr', 'two', 'exit_code":5']);
  });

  it('says at the end that the time was up', async () => {
    const runtime = await givenRuntime();
    const body = JSON.stringify({ command: 'sleep 600', timeout: 0.2 });
    const answer = await runtime.call('POST', '/execute', body, { accept: 'application/x-ndjson' });
    expect(JSON.parse(answer.text)).toEqual({ event: 'exit', exit_code: 124, timed_out: true });
  });

  it('passes more on than a buffered answer would keep, in order', async () => {
    const runtime = await givenRuntime({ maxOutputBytes: 1000 });
    const { response } = await runtime.open('/execute', { command: 'seq 1 300000' }, { accept: 'application/x-ndjson' });
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    const events = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    const output = events.flatMap((event) => (event.event === 'stdout' ? [event.text] : [])).join('');
    expect(output === Array.from({ length: 300_000 }, (_, index) => `${index + 1}\n`).join('')).toBe(true);
    expect(events.at(-1)).toEqual({ event: 'exit', exit_code: 0 });
  });

  it('answers a refusal as a problem, not as an event', async () => {
    const runtime = await givenRuntime();
    const answer = await runtime.call('POST', '/execute', '{}', { accept: 'text/event-stream' });
    expect(answer.status).toBe(422);
    expect(answer.headers['content-type']).toBe('application/problem+json');
  });
});

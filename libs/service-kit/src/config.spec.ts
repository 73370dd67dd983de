import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import {
  ConfigError,
  defineConfig,
  describeSettings,
  flagSetting,
  identitySettings,
  loadConfig,
  natsSettings,
  portSetting,
} from './index.js';

const definition = defineConfig(
  z.object({
    ...natsSettings,
    ...identitySettings,
    SANDLOT_PORT: portSetting().default(8080).describe('a port'),
    SANDLOT_TEST_FLAG: flagSetting().default(false).describe('true or false'),
  }),
);
const key = 'k'.repeat(32);
const dir = mkdtempSync(join(tmpdir(), 'sandlot-config-'));
afterAll(() => rmSync(dir, { recursive: true }));

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(definition, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the settings', () => {
  it('are parsed, and say where each came from', () => {
    const { values, sources } = loadConfig(definition, {
      SANDLOT_PORT: '9000',
      SANDLOT_TEST_FLAG: 'yes',
      SANDLOT_IDENTITY_KEY: key,
      PATH: '/bin',
    });
    expect(values).toMatchObject({ SANDLOT_PORT: 9000, SANDLOT_TEST_FLAG: true, SANDLOT_NATS_URL: 'nats://127.0.0.1:4222' });
    expect(sources).toMatchObject({ SANDLOT_PORT: 'environment', SANDLOT_NATS_URL: 'default' });
  });

  it('that are bad are reported all at once', () => {
    const problems = problemsOf({ SANDLOT_PORT: 'eighty', SANDLOT_TEST_FLAG: 'maybe', SANDLOT_PROT: '1', SANDLOT_NATS_URL: 'http://x' });
    expect(problems).toEqual([
      expect.stringMatching(/^SANDLOT_NATS_URL: is not valid; expected: nats:\/\//),
      expect.stringMatching(/^SANDLOT_IDENTITY_KEY is required; expected: at least 32/),
      expect.stringMatching(/^SANDLOT_PORT="eighty": .*; expected: a port$/),
      expect.stringMatching(/^SANDLOT_TEST_FLAG="maybe": /),
      'SANDLOT_PROT is not a setting; did you mean SANDLOT_PORT?',
    ]);
  });

  it('that are secret are never echoed', () => {
    const text = problemsOf({ SANDLOT_IDENTITY_KEY: 'canary', SANDLOT_NATS_URL: 'nots://u:canary@h', SANDLOT_NATS_NKEY: 'canary' }).join();
    expect(text).toContain('SANDLOT_IDENTITY_KEY: is not valid');
    expect(text).not.toContain('canary');
  });

  it('that are meant for another service are no mistake', () => {
    expect(problemsOf({ SANDLOT_IDENTITY_KEY: key, SANDLOT_DATA_DIR: '/x', SANDLOT_DATABASE_URL_FILE: '/y' })).toEqual([]);
  });

  it('that look like nothing known are refused without a guess', () => {
    expect(problemsOf({ SANDLOT_IDENTITY_KEY: key, SANDLOT_ZZZZZZZZZZZZZZ: '1' })).toEqual(['SANDLOT_ZZZZZZZZZZZZZZ is not a setting']);
  });

  it('leave alone what Kubernetes sets for a Service named sandlot-…', () => {
    const links = {
      SANDLOT_AUTH_SERVICE_HOST: '10.0.0.1',
      SANDLOT_AUTH_SERVICE_PORT_HTTP: '80',
      SANDLOT_AUTH_PORT: 'tcp://10.0.0.1:80',
      SANDLOT_AUTH_PORT_80_TCP_ADDR: '10.0.0.1',
    };
    expect(problemsOf({ SANDLOT_IDENTITY_KEY: key, ...links })).toEqual([]);
    expect(problemsOf({ SANDLOT_IDENTITY_KEY: key, SANDLOT_PORT: 'tcp://10.0.0.1:80' })[0]).toContain('enableServiceLinks: false');
  });

  it('that are empty count as not set', () => {
    expect(loadConfig(definition, { SANDLOT_PORT: '', SANDLOT_IDENTITY_KEY: key }).values.SANDLOT_PORT).toBe(8080);
  });

  it('that are secret may stand in a file, others may not', () => {
    const file = join(dir, 'key');
    writeFileSync(file, `${key}\n`);
    const { values, sources } = loadConfig(definition, { SANDLOT_IDENTITY_KEY_FILE: file });
    expect(values.SANDLOT_IDENTITY_KEY).toBe(key);
    expect(sources.SANDLOT_IDENTITY_KEY).toBe('file');
    expect(problemsOf({ SANDLOT_IDENTITY_KEY_FILE: file, SANDLOT_PORT_FILE: file })).toEqual([
      expect.stringContaining('SANDLOT_PORT_FILE'),
    ]);
    expect(problemsOf({ SANDLOT_IDENTITY_KEY_FILE: file, SANDLOT_IDENTITY_KEY: key })).toEqual([expect.stringContaining('keep one')]);
    expect(problemsOf({ SANDLOT_IDENTITY_KEY_FILE: join(dir, 'none') })).toEqual([expect.stringContaining('ENOENT')]);
  });

  it('have a table for the reference', () => {
    const table = describeSettings([
      { name: 'gateway', config: definition },
      { name: 'proxy', config: definition },
    ]);
    expect(table).toContain('| `SANDLOT_PORT` | `8080` | a port | gateway, proxy |');
    expect(table).toContain(
      '| `SANDLOT_IDENTITY_KEY` | required | at least 32 characters that the proxy and the gateway share; also as `SANDLOT_IDENTITY_KEY_FILE` |',
    );
  });

  it('need a name of ours and a description', () => {
    expect(() => defineConfig(z.object({ PORT: z.string().describe('x') }))).toThrow('SANDLOT_');
    expect(() => defineConfig(z.object({ SANDLOT_NO_WORDS: z.string() }))).toThrow('description');
  });
});

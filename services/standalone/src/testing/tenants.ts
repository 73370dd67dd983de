import type { CreatedApiKey, Sandbox, User } from '@sandlot/contracts';
import { waitFor } from '@sandlot/testing';
import type { z } from 'zod';
import type { Client } from './http-client.js';
import { succeeded } from './problems.js';

export interface Tenant {
  readonly user: User;
  readonly username: string;
  readonly keyId: string;
  readonly key: string;
  /** As this user. */
  readonly api: Client;
}

/** A new user with a key, made as an administrator does it. */
export async function newTenant(admin: Client, username: string, more: Record<string, unknown> = {}): Promise<Tenant> {
  const user = succeeded(await admin.post('/api/v1/admin/users', { username, ...more }), 201).json<User>();
  const created = succeeded(await admin.post(`/api/v1/admin/users/${user.id}/apikeys`, { name: 'laptop' }), 201);
  const { id: keyId, key } = created.json<z.infer<typeof CreatedApiKey>>();
  const api = admin.as(key);
  await waitFor(async () => (await api.get('/api/v1/me')).status === 200, { within: 2_000, describe: `${username} to be let in` });
  return { user, username, keyId, key, api };
}

/** A sandbox that runs. */
export async function newSandbox(api: Client, name: string, more: Record<string, unknown> = {}): Promise<Sandbox> {
  const sandbox = succeeded(await api.post('/api/v1/sandboxes', { name, ...more }, { prefer: 'wait=30' }), 201).json<Sandbox>();
  if (sandbox.state !== 'running') throw new Error(`the sandbox ${name} is ${sandbox.state}: ${sandbox.reason} ${sandbox.message}`);
  return sandbox;
}

/** What a shell command in the sandbox prints; fails when it fails. */
export async function run(api: Client, sandbox: string, command: string): Promise<string> {
  const result = succeeded(await api.post(`/proxy/${sandbox}/execute`, { command }), 200).json<{
    stdout: string;
    stderr: string;
    exit_code: number;
  }>();
  if (result.exit_code !== 0) throw new Error(`${command} ended with ${result.exit_code}: ${result.stderr}`);
  return result.stdout;
}

import type { ProjectionList } from '@sandlot/contracts';
import { waitFor } from '@sandlot/testing';
import type { z } from 'zod';
import type { Client } from '../../testing/http-client.js';
import { succeeded } from '../../testing/problems.js';

type View = z.output<typeof ProjectionList>['items'][number];

export const all = ['auth/users', 'auth/api_keys', 'provisioner/sandboxes', 'audit/trail'];

/** Every projection by `service/name`: whether it runs, or why not. */
export async function states(admin: Client): Promise<Record<string, string>> {
  return Object.fromEntries((await views(admin)).map(({ service, name, status, reason }) => [`${service}/${name}`, reason ?? status]));
}

export async function views(admin: Client): Promise<View[]> {
  return succeeded(await admin.get('/api/v1/admin/projections'), 200).json<z.output<typeof ProjectionList>>().items;
}

/** What operators do to a projection: `rebuild`, `retry`, `skip`. */
export async function tell(admin: Client, verb: 'rebuild' | 'retry' | 'skip', names: readonly string[], body?: unknown): Promise<void> {
  for (const name of names) {
    const reply = await admin.post(`/api/v1/admin/projections/${name}/${verb}`, body);
    succeeded(reply, verb === 'rebuild' ? 202 : 204);
  }
}

/** Waits until they all are so. */
export async function stand(admin: Client, wanted: string | RegExp, names: readonly string[] = all, within = 20_000): Promise<void> {
  const fits = (state: string | undefined) => (typeof wanted === 'string' ? state === wanted : wanted.test(state ?? ''));
  await waitFor(
    () => states(admin),
    { within, every: 100, describe: `${names.join(', ')} to be ${String(wanted)}` },
    (found) => names.every((name) => fits(found[name])),
  );
}

import { randomBytes } from 'node:crypto';
import { createUser, fromSeed } from '@nats-io/nkeys';
import { natsServices, type NatsService } from '@sandlot/embedded';
import { formatApiKey } from '@sandlot/kernel';

/*
 * Every key that a platform of separate processes needs, made once. What is there is never changed: without the master key, personal data
 * is lost; with another NATS identity, a service is locked out. What is missing, because a newer version needs more, is added.
 */

/** The content of one Secret or folder, by file. */
export type KeyGroup = Readonly<Record<string, string>>;

export interface Place {
  /** Where PostgreSQL will be reached, for the URL of its owner: `sandlot-postgresql`. */
  readonly postgresqlHost: string;
}

type Complete = (has: KeyGroup, place: Place) => KeyGroup;

export const keyGroups = {
  /** A seed per service, and its public half for the server's configuration. */
  'nats-identities': (has) => ({
    ...Object.assign({}, ...natsServices.map((service) => natsIdentity(service, has))),
    // Letters first: nats-server reads a variable that begins with a digit as a number.
    'route-password': has['route-password'] ?? `r${randomBytes(24).toString('hex')}`,
  }),
  /** What the proxy and the gateway share. */
  'identity-key': (has) => ({ 'identity.key': has['identity.key'] ?? randomBytes(32).toString('base64url') }),
  /** Wraps the keys of personal data. To be backed up apart from the log. */
  'master-key': (has) => ({ 'master.key': has['master.key'] ?? randomBytes(32).toString('base64url') }),
  /** Of the first administrator. */
  'admin-key': (has) => ({ 'admin.key': has['admin.key'] ?? formatApiKey(randomBytes(32)) }),
  /** Of the database's owner, whom only the migration knows. */
  postgresql: (has, { postgresqlHost }) => {
    const password = has.password ?? randomBytes(24).toString('hex');
    return { password, 'owner.url': has['owner.url'] ?? `postgres://sandlot:${password}@${postgresqlHost}:5432/sandlot` };
  },
} as const satisfies Record<string, Complete>;
export type KeyGroupName = keyof typeof keyGroups;
export const keyGroupNames = Object.keys(keyGroups) as KeyGroupName[];

/** The group with what it has and all that it lacks. */
export function completed(name: KeyGroupName, has: KeyGroup, place: Place): KeyGroup {
  return { ...has, ...(keyGroups[name] as Complete)(has, place) };
}

export const seedFile = (service: NatsService): string => `${service}.nk`;
export const publicKeyFile = (service: NatsService): string => `${service}.pub`;

function natsIdentity(service: NatsService, has: KeyGroup): KeyGroup {
  const seed = has[seedFile(service)] ?? new TextDecoder().decode(createUser().getSeed());
  try {
    return { [seedFile(service)]: seed, [publicKeyFile(service)]: fromSeed(Buffer.from(seed.trim())).getPublicKey() };
  } catch (cause) {
    throw new Error(`${seedFile(service)} holds no nkey seed; remove this entry and a new one is made`, { cause });
  }
}

import { fromSeed } from '@nats-io/nkeys';
import { natsServices } from '@sandlot/embedded';
import { isApiKey } from '@sandlot/kernel';
import { completed, keyGroupNames, publicKeyFile, seedFile } from './keys.js';

const place = { postgresqlHost: 'db' };

describe('the keys of an installation', () => {
  it.each(keyGroupNames)('in %s are made where they are missing, and stay what they are', (group) => {
    const made = completed(group, {}, place);
    expect(Object.values(made).every((text) => text.length >= 32)).toBe(true);
    expect(completed(group, made, { postgresqlHost: 'elsewhere' })).toEqual(made);
    expect(completed(group, {}, place)).not.toEqual(made);
  });

  it('are an identity for every service, with its public half', () => {
    const made = completed('nats-identities', {}, place);
    for (const service of natsServices)
      expect(fromSeed(Buffer.from(made[seedFile(service)]!)).getPublicKey()).toBe(made[publicKeyFile(service)]);
  });

  it('are added to those that an operator has brought', () => {
    expect(completed('postgresql', { password: 'theirs', more: 'kept' }, place)).toEqual({
      password: 'theirs',
      more: 'kept',
      'owner.url': 'postgres://sandlot:theirs@db:5432/sandlot',
    });
    expect(isApiKey(completed('admin-key', {}, place)['admin.key']!)).toBe(true);
  });

  it('that are none are refused, and not shown', () => {
    const attempt = () => completed('nats-identities', { 'auth.nk': 'canary' }, place);
    expect(attempt).toThrow('auth.nk holds no nkey seed; remove this entry and a new one is made');
    expect(attempt).not.toThrow('canary');
  });

  it('can be read by nats-server from a variable: none begins with a digit', () => {
    expect(completed('nats-identities', {}, place)['route-password']).toMatch(/^r[0-9a-f]{48}$/);
  });
});

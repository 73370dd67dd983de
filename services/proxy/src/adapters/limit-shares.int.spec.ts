import { connect, type NatsConnection } from '@nats-io/transport-node';
import { LIMITS_SUBJECT } from '@sandlot/contracts';
import { atEnd, stableTcpProxy, startTestNats, waitFor, type StableTcpProxy } from '@sandlot/testing';
import { Limits } from '../limits.js';
import { clientOrigin } from '../client-origin.js';
import { RequestTrail } from '../record.js';
import { LimitShares } from './limit-shares.js';

const alice = { keyId: 'key_a', userId: 'usr_alice' };
const RATE = 1000;

describe('the limits of several proxies', () => {
  let network: StableTcpProxy;
  const limits: Limits[] = [];
  const heard = [0, 0];
  const connections: NatsConnection[] = [];

  beforeAll(async () => {
    const nats = await startTestNats();
    network = await stableTcpProxy(nats.port);
    for (let i = 0; i < 2; i++) {
      const connection = await connect({ servers: `127.0.0.1:${network.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 20 });
      const each = new Limits({ requestsPerSecondPerKey: RATE, requestsPerUser: 0 });
      const spend = each.spend.bind(each);
      each.spend = (id, count) => {
        heard[i]! += count;
        spend(id, count, 0);
      };
      limits.push(each);
      connections.push(connection);
      const shares = new LimitShares(connection, limits[i]!, { everyMs: 20 });
      atEnd(async () => {
        shares.close();
        limits[i]!.close();
        await connection.close();
      });
      await connection.flush(); // by then it hears what is told
    }
    atEnd(() => network.close());
  });

  /** At a time that stands still, so that only what is told changes anything. */
  const ask = (proxy: number, { keyId } = alice, count = 1): number => {
    let passed = 0;
    for (let i = 0; i < count; i++) {
      const trail = new RequestTrail(clientOrigin('127.0.0.1', 'http'), { record: () => undefined });
      Object.assign(trail, { started: 0 });
      if (!limits[proxy]!.take({ ...alice, keyId }, trail)) passed++;
    }
    return passed;
  };

  it('S1-27 are used up in one by what passed in the other', async () => {
    expect(ask(1)).toBe(1);
    expect(ask(0, alice, 1500)).toBe(1500);
    await waitFor(() => heard[1] === 1500, { describe: 'what passed in the other' });
    expect(ask(1, alice, 2000)).toBe(499);
  });

  it('are those of each alone while NATS is away, and nothing of it is told afterwards', async () => {
    network.cut();
    const key = { keyId: 'key_b', userId: alice.userId };
    expect([ask(0, key, 3000), ask(1, key, 3000)]).toEqual([2 * RATE, 2 * RATE]);
    await waitFor(() => limits.every((each) => each.untold().length === 0), { describe: 'it to be let go' });
    network.restore();
    const told: string[] = [];
    const observer = await connect({ servers: `127.0.0.1:${network.port}` });
    atEnd(() => observer.close());
    observer.subscribe(LIMITS_SUBJECT, { callback: (_, message) => void told.push(message.string()) });
    await observer.flush();
    await waitFor(
      () => {
        ask(0, { keyId: 'key_c', userId: alice.userId });
        return told.some((text) => text.includes('key_c'));
      },
      { every: 30, within: 15_000, describe: 'the proxies to tell each other again' },
    );
    expect(told.join()).not.toContain('key_b');
  });

  it('take no notice of what is no such message', async () => {
    // Both were cut off a moment ago, and come back in their own time.
    for (const each of connections) await waitFor(() => each.flush().then(() => true), { within: 15_000, describe: 'the connection' });
    for (const text of ['x', '{}', '{"from":"x","passed":[["key_a",-5]]}']) connections[0]!.publish(LIMITS_SUBJECT, text);
    for (const each of connections) await each.flush();
    expect(ask(1, { keyId: 'key_d', userId: alice.userId })).toBe(1);
  });
});

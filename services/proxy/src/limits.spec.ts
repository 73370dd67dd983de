import { Limits, type LimitOptions } from './limits.js';
import { clientOrigin } from './client-origin.js';
import { RequestTrail } from './record.js';
import type { Refusal } from './problem.js';

const alice = { keyId: 'key_a', userId: 'usr_alice' };

/** Requests at times of the test's choice, in milliseconds. */
function ask(
  limits: Limits,
  at = 0,
  caller = alice,
  kind: RequestTrail['kind'] = 'http',
  sandboxId?: string,
): { trail: RequestTrail; refusal: Refusal | undefined } {
  const trail = new RequestTrail(clientOrigin('127.0.0.1', 'http'), { record: () => undefined });
  Object.assign(trail, { started: at, kind, sandboxId });
  return { trail, refusal: limits.take(caller, trail) };
}

describe('limits', () => {
  let limits: Limits;
  const start = (options: LimitOptions) => (limits = new Limits(options));
  afterEach(() => limits.close());

  it('S1-27 let a user have so many requests under way, by all keys together, and free a place with each that ends', () => {
    start({ requestsPerUser: 2 });
    const { trail } = ask(limits);
    expect(ask(limits, 0, { ...alice, keyId: 'key_b' }).refusal).toBeUndefined();
    const { refusal } = ask(limits);
    expect(refusal).toMatchObject({ code: 'RATE_LIMITED', status: 429, extras: { retryAfter: 1 } });
    expect(refusal!.extras.headers).toEqual(
      ['ratelimit-policy', '"user-requests";q=2;qu="concurrent-requests"', 'ratelimit', '"user-requests";r=0'],
    ); // prettier-ignore
    expect(ask(limits, 0, { keyId: 'key_c', userId: 'usr_bob' }).refusal).toBeUndefined();
    trail.finish(200);
    trail.finish(200);
    expect(ask(limits).refusal).toBeUndefined();
    expect(ask(limits).refusal).toBeDefined();
  });

  it('S1-27 count WebSockets and tunnels together, and apart from requests', () => {
    start({ connectionsPerUser: 2, requestsPerUser: 1 });
    expect([ask(limits, 0, alice, 'websocket'), ask(limits, 0, alice, 'tunnel'), ask(limits)].map(({ refusal }) => refusal)).toEqual(
      [undefined, undefined, undefined],
    ); // prettier-ignore
    expect(ask(limits, 0, alice, 'websocket').refusal?.detail).toMatch(/WebSockets and tunnels/);
    expect(limits.taken).toBe(3);
  });

  it('S0-58 S1-27 let a key begin so many requests per second, and twice as many after a pause', () => {
    start({ requestsPerSecondPerKey: 10 });
    const passed = (at: number) => Array.from({ length: 100 }, () => ask(limits, at).refusal).filter((refusal) => !refusal).length;
    expect([passed(0), passed(0), passed(100), passed(1100), passed(60_000)]).toEqual([20, 0, 1, 10, 20]);
    expect(ask(limits, 60_000, { ...alice, keyId: 'key_b' }).refusal).toBeUndefined();
    expect(ask(limits, 60_000).refusal).toMatchObject({
      extras: { retryAfter: 1, headers: ['ratelimit-policy', '"key";q=20;w=2', 'ratelimit', '"key";r=0;t=1'], violated: ['key'] },
    });
  });

  it('S0-58 S1-27 tell who is let through what is left, of every rate that counts', () => {
    start({ requestsPerSecondPerKey: 10, requestsPerSecondPerUser: 50, requestsPerSecondPerSandbox: 5 });
    expect(ask(limits, 0, alice, 'http', 'sbx_1').trail.limitHeaders).toEqual([
      'ratelimit-policy', '"key";q=20;w=2, "user";q=100;w=2, "sandbox";q=10;w=2',
      'ratelimit', '"key";r=19;t=1, "user";r=99;t=1, "sandbox";r=9;t=1',
    ]); // prettier-ignore
    expect(ask(limits).trail.limitHeaders![1]).toBe('"key";q=20;w=2, "user";q=100;w=2');
  });

  it('S1-27 count all keys of a user together, and all requests to a sandbox, and take nothing for what is refused', () => {
    start({ requestsPerSecondPerUser: 5, requestsPerSecondPerSandbox: 2 });
    const passed = (caller: typeof alice, sandboxId?: string) =>
      Array.from({ length: 20 }, () => ask(limits, 0, caller, 'http', sandboxId).refusal).filter((refusal) => !refusal).length;
    expect(passed(alice, 'sbx_1')).toBe(4);
    expect(ask(limits, 0, alice, 'http', 'sbx_1').refusal!.extras.violated).toEqual(['sandbox']);
    expect(passed({ ...alice, keyId: 'key_b' })).toBe(6);
    expect(ask(limits).refusal!.extras.violated).toEqual(['user']);
    expect(passed({ keyId: 'key_c', userId: 'usr_bob' }, 'sbx_2')).toBe(4);
  });

  it("S1-27 are a user's own where they are set, from the next request on", () => {
    start({ requestsPerSecondPerKey: 1, requestsPerUser: 1 });
    const passed = (own: object | undefined) => {
      const asked = Array.from({ length: 200 }, () => ask(limits, 0, { ...alice, limits: own } as typeof alice));
      for (const { trail } of asked) trail.finish(200);
      return asked.filter(({ refusal }) => !refusal).length;
    };
    const [generous, strict] = [
      { requestsPerSecondPerKey: 50, requestsUnderWay: 0 },
      { requestsPerSecond: 3, requestsUnderWay: 0 },
    ];
    expect(passed(generous)).toBe(100);
    expect(ask(limits, 0, { keyId: 'key_x', userId: 'usr_bob' }).refusal).toBeUndefined();
    expect(ask(limits, 0, { keyId: 'key_x', userId: 'usr_bob' }).refusal!.extras.violated).toEqual(['user-requests']);
    expect(passed(strict)).toBe(0); // nothing is left of what was there
    expect(passed({ ...generous, requestsPerSecondPerKey: 0 })).toBe(200);
    expect(passed(undefined)).toBe(1); // of a fresh bucket, as there was none meanwhile; the second is under way
  });

  it('S1-27 let two proxies that tell each other what passed let through what one would', () => {
    const pair = [new Limits({ requestsPerSecondPerKey: 100 }), new Limits({ requestsPerSecondPerKey: 100 })];
    start({});
    let passed = 0;
    for (let at = 0; at < 10_000; at += 200) {
      for (const each of pair) for (let i = 0; i < 100; i++) if (!ask(each, at).refusal) passed++;
      const told = pair.map((each) => each.untold());
      pair.forEach((each, index) => told[1 - index]!.forEach(([id, count]) => each.spend(id, count, at)));
    }
    // 200 at once and 100 a second for 10 s are 1,180; two that know nothing of each other let 2,360 through.
    expect(passed).toBeGreaterThan(1100);
    expect(passed).toBeLessThan(1450);
    for (const each of pair) each.close();
  });

  it('S1-27 count what a key has just used elsewhere when it comes here for the first time', () => {
    start({ requestsPerSecondPerKey: 10 });
    limits.spend(alice.keyId, 15, 0);
    const passed = (at: number, caller = alice) =>
      Array.from({ length: 50 }, () => ask(limits, at, caller).refusal).filter((r) => !r).length;
    expect(passed(500)).toBe(5);
    limits.spend('key_b', 15, 1000);
    expect(passed(9000, { ...alice, keyId: 'key_b' })).toBe(20);
  });

  it('are none at 0', () => {
    start({ requestsPerUser: 0, connectionsPerUser: 0, requestsPerSecondPerKey: 0 });
    for (let i = 0; i < 5000; i++) expect(ask(limits).refusal).toBeUndefined();
  });

  it('forget who is away, and nobody who has something under way', () => {
    start({});
    const { trail } = ask(limits);
    for (let i = 0; i < 100; i++) ask(limits, 0, { keyId: `key_${i}`, userId: `usr_${i}` }).trail.finish(200);
    limits.forget(1);
    expect([limits.known, limits.taken]).toEqual([1, 1]);
    trail.finish(200);
    limits.forget(1);
    expect([limits.known, limits.taken]).toEqual([0, 0]);
  });
});

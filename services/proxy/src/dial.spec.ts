import { dial, parseAddress, refuseAddress, sharingLookUps } from './dial.js';

describe('dialling', () => {
  it.each([
    '169.254.169.254', '169.254.0.1', '0.0.0.0', '0.1.2.3', '224.0.0.1', '255.255.255.255', '100.100.100.200', '168.63.129.16', '::', 'fe80::1', 'ff02::1',
    'fd00:ec2::254', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '::169.254.169.254', '64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::1', 'localhost', '',
  ])('never goes to %s', (ip) => {
    expect(refuseAddress(ip, true)).toBeDefined();
  }); // prettier-ignore

  it.each(['127.0.0.1', '127.8.8.8', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'])('goes to %s only where loopback is allowed', (ip) => {
    expect(refuseAddress(ip, false)).toBeDefined();
    expect(refuseAddress(ip, true)).toBeUndefined();
  });

  it.each(['10.0.0.1', '192.168.1.2', '172.16.0.3', 'fd12:3456::1', '2001:db8::1', '::ffff:10.0.0.1'])('goes to %s', (ip) => {
    expect(refuseAddress(ip, false)).toBeUndefined();
  });

  it('checks what a name resolves to', async () => {
    await expect(dial('localhost:80')).rejects.toThrow('a loopback address');
  });

  it('resolves a name for every connection, and checks each answer: one that turns to the metadata service leads nowhere', async () => {
    const answers = ['127.0.0.1', '169.254.169.254', '::ffff:169.254.169.254', '127.0.0.1'];
    const outcomes: string[] = [];
    const resolve = () => Promise.resolve(answers[outcomes.length]!);
    for (const _ of answers)
      outcomes.push(await dial('s1:1', { resolve, allowLoopback: true }).then(String, (error: Error) => error.message));
    const [reached, refused] = ['s1:1 cannot be reached', expect.stringContaining('never dialled')];
    expect(outcomes).toEqual([reached, refused, refused, reached]);
  });

  it('gives up on a name that does not resolve, and on one that takes too long, and tries again the next time', async () => {
    const resolve = (host: string) => (host === 'slow' ? new Promise<string>(() => undefined) : Promise.reject(new Error('NXDOMAIN')));
    const options = { resolve, connectTimeoutMs: 20 };
    await expect(dial('gone:80', options)).rejects.toMatchObject({ kind: 'unreachable', message: 'gone does not resolve' });
    await expect(dial('slow:80', options)).rejects.toMatchObject({ kind: 'timeout', message: 'slow:80 did not resolve in time' });
    const found = { ...options, allowLoopback: true, resolve: () => Promise.resolve('127.0.0.1') };
    await expect(dial('gone:1', found)).rejects.toMatchObject({ message: 'gone:1 cannot be reached' });
  });

  it('looks a slow name up once, however many wait for it, and anew for who comes after', async () => {
    const asked: { host: string; answer: (ip: string) => void }[] = [];
    const resolve = sharingLookUps((host) => new Promise((answer) => asked.push({ host, answer })));
    const options = { resolve, connectTimeoutMs: 20 };
    const waiting = Array.from({ length: 100 }, () => dial('slow:80', options).catch((error: Error) => error.message));
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['slow:80 did not resolve in time']));
    expect(asked.map(({ host }) => host)).toEqual(['slow']);
    asked[0]!.answer('127.0.0.1');
    await expect(resolve('slow')).resolves.toBe('127.0.0.1');
    const later = dial('slow:80', { ...options, connectTimeoutMs: 5000 });
    asked[1]!.answer('169.254.169.254');
    await expect(later).rejects.toThrow('never dialled');
  });

  it('reads addresses with a name, IPv4 or IPv6', () => {
    expect(parseAddress('[::1]:80')).toEqual({ host: '::1', port: 80 });
    expect(parseAddress('s1.user-alice.svc:8888')).toEqual({ host: 's1.user-alice.svc', port: 8888 });
    for (const bad of ['', ':80', 'a', 'a:', 'a:0', 'a:65536', 'a:b', 'a:1.5']) expect(() => parseAddress(bad)).toThrow('not an address');
  });
});

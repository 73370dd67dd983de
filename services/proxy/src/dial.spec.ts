import { dial, parseAddress, refuseAddress } from './dial.js';

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

  it('reads addresses with a name, IPv4 or IPv6', () => {
    expect(parseAddress('[::1]:80')).toEqual({ host: '::1', port: 80 });
    expect(parseAddress('s1.user-alice.svc:8888')).toEqual({ host: 's1.user-alice.svc', port: 8888 });
    for (const bad of ['', ':80', 'a', 'a:', 'a:0', 'a:65536', 'a:b', 'a:1.5']) expect(() => parseAddress(bad)).toThrow('not an address');
  });
});

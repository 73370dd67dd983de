import { PreviewDomain } from './preview-domain.js';

const domain = new PreviewDomain('previews.example');
const hostOf = (host: string) => domain.hostOf(['Accept', '*/*', 'hOsT', host]);

describe('the domain of previews', () => {
  it.each([
    'previews.example', 'PREVIEWS.example', '8888-s1-alice.previews.example', '8888-S1-alice.Previews.Example', 'x.previews.example:443',
    'x.previews.example.', 'a.b.previews.example', '.previews.example',
  ])('takes %s away from the API', (host) => expect(hostOf(host)).toBe(host)); // prettier-ignore

  it.each(['example', 'sandlot.example', 'notpreviews.example', 'previews.example.org', 'previews.example.sandlot.example', ''])(
    'leaves %j to the API',
    (host) => expect(hostOf(host)).toBeUndefined(),
  );

  it('takes a request away whose Host is there twice', () => {
    expect(domain.hostOf(['Host', 'sandlot.example', 'Host', 'x.previews.example'])).toBe('x.previews.example');
  });

  it('has one spelling for each address', () => {
    const address = { port: 8888, sandbox: 's1', username: 'alice' };
    expect(domain.addressOf('8888-s1-alice.previews.example')).toEqual(address);
    expect(domain.addressOf('8888-s1-alice.previews.example:8443')).toEqual(address);
    for (const host of ['8888-S1-alice.previews.example', '8888-s1-alice.PREVIEWS.example', '8888-s1-alice.previews.example.', 'x.8888-s1-alice.previews.example', 'previews.example'])
      expect(domain.addressOf(host)).toBeUndefined();
  }); // prettier-ignore
});

import { verifyPass } from '@sandlot/service-kit';
import { newId } from '@sandlot/kernel';
import { PreviewLinks } from './preview-links.js';

const key = 'a key for tests, thirty-two characters and more';
const links = new PreviewLinks('previews.example:8443', key);
const whose = { sandbox: 'my-app', username: 'alice' };
const preview = {
  id: newId('prv'),
  port: 8888,
  public: false,
  openedAt: '2026-11-26T20:00:00.000Z',
  expiresAt: '2026-11-26T21:00:00.500Z',
};

describe('the link to a preview', () => {
  it('is its address and a pass that the proxies accept', () => {
    const { address, url } = links.opened(preview, whose);
    expect(address).toBe('https://8888-my--app-alice.previews.example:8443/');
    const pass = new URL(url).searchParams.get('sandlot-preview')!;
    expect(url).toBe(`${address}?sandlot-preview=${pass}`);
    const now = Date.parse(preview.expiresAt) - 1;
    expect(verifyPass('link', pass, '8888-my--app-alice.previews.example', key, now)?.previewId).toBe(preview.id);
  });

  it('is the bare address where everybody may see it, and never in a list', () => {
    const { address, url } = links.opened({ ...preview, public: true }, whose);
    expect(url).toBe(address);
    expect(JSON.stringify(links.shown(preview, whose))).not.toContain('sandlot-preview');
  });

  it('is refused where there is no domain, and where the names are too long for an address', () => {
    expect(() => new PreviewLinks(undefined, key).check(whose)).toThrow(expect.objectContaining({ code: 'PREVIEWS_OFF' }));
    expect(() => links.check({ sandbox: 'a'.repeat(40), username: 'b'.repeat(17) })).toThrow(
      expect.objectContaining({ code: 'VALIDATION_FAILED' }),
    );
    expect(() => links.check({ sandbox: 'a'.repeat(40), username: 'b'.repeat(16) })).not.toThrow();
  });
});

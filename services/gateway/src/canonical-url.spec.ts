import { canonicalUrl } from './canonical-url.js';

describe('canonicalUrl', () => {
  it.each([
    ['/api/v1/sandboxes?limit=2', '/api/v1/sandboxes?limit=2'],
    ['/api/sandboxes/s1', '/api/v1/sandboxes/s1'],
    ['/v1/sandboxes/s1', '/api/v1/sandboxes/s1'],
    ['/api', '/api/v1'],
    ['/api/audit?actor=alice', '/api/v1/audit-logs?actor=alice'],
    ['/api/v1/audit/stream', '/api/v1/audit-logs/stream'],
    ['/api/audit-logs.jsonl', '/api/v1/audit-logs.jsonl'],
    ['/api/v1/health', '/health'],
    ['/v1/openapi.json', '/openapi.json'],
  ])('takes %s for %s', (url, canonical) => expect(canonicalUrl(url)).toBe(canonical));

  it.each(['/sandboxes', '/health', '/apis/x', '/v10/sandboxes', '/docs/swagger-ui.css'])('leaves %s as it is', (url) =>
    expect(canonicalUrl(url)).toBe(url),
  );

  it('rewrites once: a second prefix is part of the path', () => expect(canonicalUrl('/api/v1/v1/sandboxes')).toBe('/api/v1/v1/sandboxes'));
});

import { apiCall, matches } from './api-call.js';

describe('a call to the Kubernetes API', () => {
  it.each([
    ['GET', '/api/v1/namespaces', { verb: 'list', group: '', resource: 'namespaces' }],
    ['GET', '/api/v1/namespaces/a', { verb: 'get', group: '', resource: 'namespaces', name: 'a' }],
    ['GET', '/api/v1/namespaces/a/status', { verb: 'get', group: '', resource: 'namespaces', name: 'a', subresource: 'status' }],
    ['PUT', '/api/v1/namespaces/a/finalize', { verb: 'update', group: '', resource: 'namespaces', name: 'a', subresource: 'finalize' }],
    ['GET', '/api/v1/namespaces/a/pods?watch=true', { verb: 'watch', group: '', resource: 'pods', namespace: 'a' }],
    ['GET', '/api/v1/pods?watch=1&resourceVersion=5', { verb: 'watch', group: '', resource: 'pods' }],
    ['POST', '/apis/apps/v1/namespaces/a/statefulsets', { verb: 'create', group: 'apps', resource: 'statefulsets', namespace: 'a' }],
    [
      'PATCH',
      '/apis/apps/v1/namespaces/a/statefulsets/s/scale',
      { verb: 'patch', group: 'apps', resource: 'statefulsets', namespace: 'a', name: 's', subresource: 'scale' },
    ],
    ['DELETE', '/api/v1/namespaces/a/pods/p', { verb: 'delete', group: '', resource: 'pods', namespace: 'a', name: 'p' }],
    ['DELETE', '/api/v1/namespaces/a/pods', { verb: 'deletecollection', group: '', resource: 'pods', namespace: 'a' }],
    ['GET', '/readyz', { verb: 'get' }],
    ['GET', '/apis/apps/v1', { verb: 'get' }],
  ])('%s %s is told by verb and resource', (method, path, expected) => {
    expect(apiCall(method, path)).toEqual({ path, ...expected });
  });

  it('matches what is asked for in every respect', () => {
    const call = apiCall('PATCH', '/apis/apps/v1/namespaces/a/statefulsets/s');
    expect(matches(call, {})).toBe(true);
    expect(matches(call, { verb: ['create', 'patch'], resource: 'statefulsets', namespace: 'a', name: 's', path: /^\/apis\/apps/ })).toBe(
      true,
    );
    for (const other of [
      { verb: 'get' },
      { resource: ['pods', 'services'] },
      { namespace: 'b' },
      { name: 't' },
      { path: /pods/ },
      { subresource: 'status' },
    ] as const)
      expect(matches(call, other)).toBe(false);
  });
});

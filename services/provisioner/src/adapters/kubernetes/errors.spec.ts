import { refusalOf, retryAfterOf, type Status } from './errors.js';

const refusal = (code: number, message: string, details: Status['details'] = {}) => {
  const error = refusalOf('PATCH /x', code, { message, details });
  return [error.code, error.reason];
};

describe("what the API server's answers mean", () => {
  it.each<[number, string, Status['details'], string, string]>([
    [403, 'pods "x" is forbidden: exceeded quota: sandlot, requested: pods=1', {}, 'QUOTA_EXCEEDED', 'QUOTA_REFUSED'],
    [403, 'pods "x" is forbidden: failed quota: sandlot: must specify limits.cpu for: main', {}, 'QUOTA_EXCEEDED', 'QUOTA_REFUSED'],
    [403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest": privileged', {}, 'FORBIDDEN', 'ADMISSION_REFUSED'],
    [400, 'admission webhook "policy.example.com" denied the request: no', {}, 'FORBIDDEN', 'ADMISSION_REFUSED'],
    [
      422,
      "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
      {},
      'FORBIDDEN',
      'ADMISSION_REFUSED',
    ],
    [403, 'pods is forbidden: User "x" cannot list resource "pods"', {}, 'FORBIDDEN', 'NOT_PERMITTED'],
    [
      403,
      'forbidden: unable to create new content because it is being terminated',
      { causes: [{ reason: 'NamespaceTerminating' }] },
      'CONFLICT',
      'NAMESPACE_TERMINATING',
    ],
    [404, 'namespaces "x" not found', { name: 'x', kind: 'namespaces' }, 'NAMESPACE_NOT_FOUND', 'NAMESPACE_GONE'],
    [404, 'pods "x" not found', { name: 'x', kind: 'pods' }, 'NOT_FOUND', 'NOT_FOUND'],
    [404, 'the server could not find the requested resource', {}, 'NOT_FOUND', 'NOT_SERVED'],
    [409, 'the object has been modified', { name: 'x' }, 'CONFLICT', 'CONFLICT'],
    [422, 'Pod "x" is invalid: spec.containers: Required value', {}, 'VALIDATION_FAILED', 'INVALID'],
    [401, 'Unauthorized', {}, 'UNAVAILABLE', 'CREDENTIALS_REFUSED'],
    [500, 'Internal error occurred: failed calling webhook "x"', {}, 'UNAVAILABLE', 'CLUSTER_UNAVAILABLE'],
    [429, 'too many requests', {}, 'UNAVAILABLE', 'CLUSTER_UNAVAILABLE'],
  ])('%s %s', (code, message, details, ...expected) => {
    expect(refusal(code, message, details)).toEqual(expected);
  });

  it('keep the words of the server and say what was asked', () => {
    expect(refusalOf('PATCH /x', 422, { message: 'Pod "x" is invalid' }).message).toBe('PATCH /x: Pod "x" is invalid');
    expect(refusalOf('GET /x', 404, {}).message).toBe('GET /x: HTTP status 404');
  });

  it('say when to come back, by the header or the body', () => {
    expect(retryAfterOf('3')).toBe(3_000);
    expect(retryAfterOf(undefined, { details: { retryAfterSeconds: 2 } })).toBe(2_000);
    expect(retryAfterOf('Wed, 21 Oct 2026 07:28:00 GMT')).toBeUndefined();
    expect(retryAfterOf(undefined)).toBeUndefined();
  });
});

import type { SandboxSettings } from '@sandlot/contracts';
import type { FieldError } from '@sandlot/service-kit';
import { plainRules } from './settings.fixture.js';
import { matches, specOf, type SettingRules } from './settings.js';

const alice = { username: 'alice', name: 's1' };
const resources = { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '400m', memory: '768Mi' }, disk: '1Gi' };
const ports = [{ port: 8888 }];
const spec = (asked: Partial<SandboxSettings>, rules: Partial<SettingRules> = {}) =>
  specOf({ ports, ...asked }, alice, { ...plainRules, ...rules });
const allowing = (allowed: Partial<SettingRules['allowed']>) => ({ allowed: { ...plainRules.allowed, ...allowed } });

function refusal(asked: Partial<SandboxSettings>, rules: Partial<SettingRules> = {}): string[] {
  try {
    spec(asked, rules);
  } catch (error) {
    const { errors } = (error as { details: { errors: FieldError[] } }).details;
    return errors.map(({ pointer, code }) => `${pointer} ${code}`);
  }
  return [];
}

describe('what a sandbox is made of', () => {
  it('S0-45 is the default image when none is named', () => expect(spec({})).toEqual({ image: 'runtime:1', ports }));

  it('has no limits where the runtime limits nothing, and the defaults where it does', () => {
    expect(spec({}).resources).toBeUndefined();
    expect(spec({}, { defaults: { image: 'runtime:1', resources } }).resources).toEqual(resources);
  });

  it.each([
    [{ limits: { cpu: '50m' } }, { requests: { cpu: '50m' }, limits: { cpu: '50m' } }],
    [{ requests: { cpu: '1' } }, { requests: { cpu: '1' }, limits: { cpu: '1' } }],
    [
      { requests: { memory: '1Gi' }, limits: { memory: '2Gi' } },
      { requests: { memory: '1Gi' }, limits: { memory: '2Gi' } },
    ],
    [{ disk: '5Gi' }, { disk: '5Gi' }],
  ])('never has a request above its limit, whichever of the two is asked for: %j', (asked, has) => {
    expect(spec({ resources: asked }, { defaults: { image: 'runtime:1', resources } }).resources).toMatchObject(has);
  });

  it('S0-11 sees its own part of a bucket, and cannot ask for another', () => {
    const volumes = [{ name: 'files', mountPath: '/files', bucket: { bucketName: 'acme' } }];
    expect(spec({ volumes }, allowing({ buckets: ['acme'] })).volumes).toEqual([
      { name: 'files', mountPath: '/files', bucket: { bucketName: 'acme', prefix: 'alice/s1' } },
    ]);
  });

  it('S2-45 has what the operator relaxes for its image, and nothing else', () => {
    const relaxed: SettingRules['relaxed'] = [{ images: 'jupyter/*', relaxations: ['writable-root', 'image-user'] }];
    expect(spec({ image: 'jupyter/base' }, { relaxed, ...allowing({ images: ['*'] }) }).relaxations).toEqual([
      'writable-root',
      'image-user',
    ]);
    expect(spec({}, { relaxed }).relaxations).toBeUndefined();
  });

  it('is refused what the operator has not listed, all of it at once', () => {
    const asked: Partial<SandboxSettings> = {
      image: 'evil',
      runtimeClassName: 'runc',
      nodeSelector: { 'a/b': 'x' },
      tolerations: [{ operator: 'Exists' }],
      volumes: [
        { name: 'a', mountPath: '/a', claim: { size: '1Gi', storageClassName: 'fast', onDelete: 'delete' } },
        { name: 'b', mountPath: '/b', bucket: { bucketName: 'acme' } },
      ],
    };
    const everything = { images: ['*'], runtimeClasses: ['*'], nodeLabels: ['*'], taints: ['*'], storageClasses: ['*'], buckets: ['*'] };
    expect(refusal(asked)).toEqual([
      '/image NOT_ALLOWED',
      '/runtimeClassName NOT_ALLOWED',
      '/nodeSelector/a~1b NOT_ALLOWED',
      '/tolerations/0 NOT_ALLOWED',
      '/volumes/0/claim/storageClassName NOT_ALLOWED',
      '/volumes/1/bucket/bucketName NOT_ALLOWED',
    ]);
    expect(refusal(asked, allowing(everything))).toEqual([]);
  });

  it('may not be larger on disk than the operator allows, for no quota of the user’s counts that', () => {
    const asked: Partial<SandboxSettings> = {
      resources: { disk: '101Gi' },
      volumes: [{ name: 'a', mountPath: '/a', claim: { size: '1Ti', onDelete: 'keep' } }],
    };
    expect(refusal(asked)).toEqual(['/resources/disk NOT_ALLOWED', '/volumes/0/claim/size NOT_ALLOWED']);
    expect(refusal(asked, allowing({ disk: '1Ti' }))).toEqual([]);
  });

  it('may not read what images are pulled with', () => {
    const secrets = [
      { secretName: 'own', key: 'k', env: 'A' },
      { secretName: 'registry', mountPath: '/registry' },
    ];
    expect(refusal({ secrets }, allowing({ notSecrets: ['registry'] }))).toEqual(['/secrets/1/secretName NOT_ALLOWED']);
  });

  it('may name the default image and the default runtime class', () => {
    const rules = { defaults: { image: 'runtime:1', runtimeClassName: 'gvisor' } };
    expect(refusal({ image: 'runtime:1', runtimeClassName: 'gvisor' }, rules)).toEqual([]);
    expect(spec({}, rules).runtimeClassName).toBe('gvisor');
    expect(refusal({ runtimeClassName: 'runc' }, rules)).toEqual(['/runtimeClassName NOT_ALLOWED']);
  });

  it('tolerates a taint with every value only where every value is allowed', () => {
    const rules = allowing({ taints: ['gpu=yes'] });
    expect(refusal({ tolerations: [{ key: 'gpu', value: 'yes' }] }, rules)).toEqual([]);
    expect(refusal({ tolerations: [{ key: 'gpu', operator: 'Exists' }] }, rules)).toEqual(['/tolerations/0 NOT_ALLOWED']);
    expect(refusal({ tolerations: [{ key: 'gpu', operator: 'Exists' }] }, allowing({ taints: ['gpu=*'] }))).toEqual([]);
    expect(refusal({ tolerations: [{ operator: 'Exists' }] }, allowing({ taints: ['gpu=*'] }))).toEqual(['/tolerations/0 NOT_ALLOWED']);
  });

  it('is refused what the runtime would silently leave out', () => {
    const unsupported = { by: 'process', settings: ['command', 'runtimeClassName'] as const };
    expect(refusal({ command: ['x'], env: { A: 'x' } }, { unsupported })).toEqual(['/command NOT_SUPPORTED']);
  });
});

it.each([
  ['*', '', true],
  ['*', 'a/b:c', true],
  ['ghcr.io/acme/*', 'ghcr.io/acme/tools:1', true],
  ['ghcr.io/acme/*', 'ghcr.io/acmeevil/tools', false],
  ['ghcr.io/*/tools:*', 'ghcr.io/a/b/tools:1', true],
  ['*:1', 'a:10', false],
  ['a*a', 'a', false],
  ['a*b*c', 'a-c-b', false],
  ['a*bc*c', 'abc', false],
  ['a.c', 'abc', false],
  ['', '', true],
  [`${'*a'.repeat(200)}b`, 'a'.repeat(255), false],
])('the pattern %s fits %s: %s', (pattern, text, fits) => expect(matches(pattern, text)).toBe(fits));

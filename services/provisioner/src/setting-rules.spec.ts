import { z } from 'zod';
import { sandboxRuleSettings, settingRules } from './setting-rules.js';

const rules = (settings: Record<string, string> = {}, runtime = 'statefulset') =>
  settingRules({
    ...z.object(sandboxRuleSettings).parse(settings),
    SANDLOT_RUNTIME: runtime,
    SANDLOT_IMAGE_PULL_SECRETS: ['registry'],
  });

describe('what an operator decides about settings', () => {
  it('allows nothing that was not listed, and keeps the platform’s secrets to itself', () => {
    const { allowed, relaxed, defaults } = rules();
    const nothing = { images: [], runtimeClasses: [], nodeLabels: [], taints: [], storageClasses: [], buckets: [] };
    expect(allowed).toEqual({ ...nothing, notSecrets: ['registry'], disk: '100Gi' });
    expect(relaxed).toEqual([]);
    expect(defaults.image).toBe('sandbox-runtime:latest');
  });

  it('S0-07 has defaults of which ten fit into the default quota of 4 CPU and 8Gi', () => {
    expect(rules().defaults.resources).toEqual({
      requests: { cpu: '100m', memory: '128Mi' },
      limits: { cpu: '400m', memory: '768Mi' },
      disk: '1Gi',
    });
  });

  it('is a list, with spaces or without', () =>
    expect(rules({ SANDLOT_ALLOWED_IMAGES: 'ghcr.io/acme/*, node:24,' }).allowed.images).toEqual(['ghcr.io/acme/*', 'node:24']));

  it('relaxes by image, and only what there is to relax', () => {
    expect(rules({ SANDLOT_RELAXED_IMAGES: 'jupyter/*=writable-root+image-user,db:1=root' }).relaxed).toEqual([
      { images: 'jupyter/*', relaxations: ['writable-root', 'image-user'] },
      { images: 'db:1', relaxations: ['root'] },
    ]);
    for (const wrong of ['jupyter/*', 'jupyter/*=', 'jupyter/*=privileged', '=root'])
      expect(() => rules({ SANDLOT_RELAXED_IMAGES: wrong })).toThrow('must be <image pattern>=<relaxation>');
  });

  it('says of the process runtime that it limits nothing and has no containers', () => {
    const { defaults, unsupported } = rules({}, 'process');
    expect(defaults.resources).toBeUndefined();
    expect(unsupported.settings).toEqual(['command', 'nodeSelector', 'tolerations', 'runtimeClassName', 'volumes', 'secrets']);
    expect(rules({}, 'auto').unsupported.settings).toEqual([]);
  });
});

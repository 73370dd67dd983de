import type { SettingRules } from './settings.js';

/** An installation that has decided nothing, on a runtime that can do everything. */
export const plainRules: SettingRules = {
  allowed: { images: [], runtimeClasses: [], nodeLabels: [], taints: [], storageClasses: [], buckets: [], notSecrets: [], disk: '100Gi' },
  defaults: { image: 'runtime:1' },
  relaxed: [],
  unsupported: { by: 'memory', settings: [] },
};

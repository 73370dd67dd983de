import { yamlFile } from './repository-file.js';

export interface ComposeService {
  image: string;
  command?: string[];
  environment?: Record<string, string | number>;
  volumes?: (string | { type: string; source: string; target: string; read_only?: boolean; volume?: { subpath: string } })[];
  ports?: string[];
  profiles?: string[];
  user?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  network_mode?: string;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { disable?: boolean; test?: string[] };
}
export interface Compose {
  services: Record<string, ComposeService>;
  volumes: Record<string, null>;
}

/** With the defaults of its variables, unless others are given. */
export async function compose(variables: Readonly<Record<string, string>> = {}): Promise<Compose> {
  return resolved(await yamlFile('docker-compose.yml'), variables) as Compose;
}

export const programOf = (service: ComposeService): string | undefined =>
  /^services\/(?:standalone\/dist\/)?(\w+)/.exec(service.command?.[0] ?? '')?.[1];

function resolved(value: unknown, variables: Readonly<Record<string, string>>): unknown {
  if (typeof value === 'string')
    return value.replace(/\$\{(\w+)(?::-([^}]*))?\}/g, (_, name: string, fallback = '') => variables[name] ?? (fallback as string));
  if (Array.isArray(value)) return value.map((item) => resolved(item, variables));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolved(inner, variables)]));
}

/** Of a service: name by value, as its program gets it. */
export function environmentOf(service: ComposeService): Record<string, string> {
  return Object.fromEntries(Object.entries(service.environment ?? {}).map(([name, value]) => [name, String(value)]));
}

/** JSON data as YAML 1.2, in which every JSON scalar is as it is. */
export function toYaml(value: unknown): string {
  return `${lines(value).join('\n')}\n`;
}

function lines(value: unknown): string[] {
  if (Array.isArray(value) && value.length > 0)
    return value.flatMap((item) => lines(item).map((line, index) => `${index === 0 ? '- ' : '  '}${line}`));
  const entries = typeof value === 'object' && value !== null ? Object.entries(value).filter(([, inner]) => inner !== undefined) : [];
  if (entries.length === 0) return [JSON.stringify(value) ?? 'null'];
  return entries.flatMap(([key, inner]) => {
    const [first, ...rest] = lines(inner);
    const nested = rest.length > 0 || first!.startsWith('- ') || isMapping(inner);
    return nested ? [`${JSON.stringify(key)}:`, ...[first!, ...rest].map((line) => `  ${line}`)] : [`${JSON.stringify(key)}: ${first}`];
  });
}

const isMapping = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;

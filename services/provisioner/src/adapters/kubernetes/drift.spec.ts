import type { KubernetesObject } from './cluster.js';
import { differencesOf } from './drift.js';

const object = (spec: object, labels?: Record<string, string>): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { name: 'x', ...(labels && { labels }) },
  spec,
});
const between = (wanted: KubernetesObject, found: KubernetesObject) =>
  differencesOf(wanted, found).map(({ path, found: was, wanted: is }) => [path.join('.'), was, is]);

describe('the differences of two objects', () => {
  it('are where a value is another or missing, each by its path', () => {
    expect(between(object({ hard: { cpu: '4', pods: '10' } }, { a: 'b' }), object({ hard: { cpu: '64' } }, { a: 'c' }))).toEqual([
      ['metadata.labels.a', '"c"', '"b"'],
      ['spec.hard.cpu', '"64"', '"4"'],
      ['spec.hard.pods', undefined, '"10"'],
    ]);
  });

  it('are none in what the server fills in, leaves out, or spells another way', () => {
    expect(
      between(
        object({ ports: [{ port: 53 }], cpu: '0.5', memory: '1024Mi', ingress: [] }),
        object({ ports: [{ port: 53, protocol: 'TCP' }], cpu: '500m', memory: '1Gi', more: 1 }),
      ),
    ).toEqual([]);
  });

  it('show a list as a whole, longer ones too, and what was added to an empty selector', () => {
    expect(
      between(
        object({ egress: [{ to: 1 }], podSelector: {} }),
        object({ egress: [{ to: 1 }, {}], podSelector: { matchLabels: { a: 'b' } } }),
      ),
    ).toEqual([
      ['spec.egress', '[{"to":1},{}]', '[{"to":1}]'],
      ['spec.podSelector', '{"matchLabels":{"a":"b"}}', '{}'],
    ]);
  });

  it('are cut where they are long', () => {
    const [, found] = between(object({ a: 1 }), object({ a: 'x'.repeat(1_000) }))[0]!;
    expect(found).toHaveLength(501);
  });
});

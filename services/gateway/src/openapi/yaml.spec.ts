import { parse } from 'yaml';
import { toYaml } from './yaml.js';

it.each([
  [{ openapi: '3.1.1', 'a: b': 'yes', n: 1.5, t: true, nothing: null, empty: {}, none: [] }],
  [{ list: [1, 'no', { a: 1, b: [{ c: 2 }, []] }, [[1, 2], [3]]] }],
  [{ text: 'several\nlines: # and "quotes"\ttab', deep: { deeper: { deepest: ['x'] } } }],
  [[]],
  [{ one: { a: 1 } }],
])('YAML says the same as JSON: %j', (value) => expect(parse(toYaml(value))).toEqual(value));

it('leaves out what JSON leaves out', () => expect(toYaml({ a: undefined, b: 1 })).toBe('"b": 1\n'));

import { copyField } from './copy.js';

describe('a field of COPY', () => {
  it.each([
    [null, '\\N'],
    [undefined, '\\N'],
    ['', ''],
    ['\\N', '\\\\N'],
    ['a\tb\nc\rd\\', 'a\\tb\\nc\\rd\\\\'],
    ['a\0b', 'a\uFFFDb'],
    [1.5, '1.5'],
    [true, 'true'],
  ])('%j is %j', (value, text) => expect(copyField(value)).toBe(text));
});

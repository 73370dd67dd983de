import { isKnown, versionIn } from './preconditions.js';

describe('If-Match', () => {
  it.each([
    [undefined, undefined],
    ['*', undefined],
    ['"3"', 3],
  ])('%s allows version %s', (header, version) => expect(versionIn(header)).toBe(version));

  it.each(['W/"3"', '"abc"', '"03"', '"0"'])('%s matches no version', (header) =>
    expect(() => versionIn(header)).toThrow(expect.objectContaining({ code: 'VERSION_MISMATCH' })),
  );

  it.each(['3', '"3', '"3", "4"', 'W/3', '"a b"'])('%s is malformed', (header) =>
    expect(() => versionIn(header)).toThrow(expect.objectContaining({ code: 'MALFORMED_REQUEST' })),
  );
});

describe('If-None-Match', () => {
  it.each(['"3"', 'W/"3"', '"1", "3"', '*'])('%s knows "3"', (header) => expect(isKnown(header, '"3"')).toBe(true));
  it.each([undefined, '"2"', '3'])('%s does not know "3"', (header) => expect(isKnown(header, '"3"')).toBe(false));
});

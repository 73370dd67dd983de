import { matches } from './subject-filter.js';

describe('a subject filter', () => {
  it.each([
    ['sandlot.auth.user.*', 'sandlot.auth.user.usr_1', true],
    ['sandlot.auth.user.*', 'sandlot.auth.apikey.key_1', false],
    ['sandlot.auth.user.*', 'sandlot.auth.user', false],
    ['sandlot.auth.user.*', 'sandlot.auth.user.a.b', false],
    ['sandlot.>', 'sandlot.auth.user.usr_1', true],
    ['sandlot.>', 'sandlot', false],
    ['sandlot.auth.user.usr_1', 'sandlot.auth.user.usr_1', true],
  ])('%s on %s: %s', (filter, subject, expected) => {
    expect(matches(filter, subject)).toBe(expected);
  });
});

import { milliOf, MemoryQuantity, Quantity, quantityOf, sameQuantity } from './quantity.js';

describe('a Kubernetes quantity', () => {
  it.each([
    ['500m', 500], ['1', 1000], ['0.1', 100], ['1.5', 1500], ['2k', 2_000_000], ['1Ki', 1_024_000], ['768Mi', 768 * 1024 ** 2 * 1000],
    ['1.1Gi', 1_181_116_006_400], ['0.0001', 1], ['0', 0],
  ])('%s is %d thousandths', (quantity, milli) => expect(milliOf(quantity)).toBe(milli)); // prettier-ignore

  it.each(['', 'Mi', '1e3', '-1', '1 Gi', '1gi', '١', '0x10', '1.', '.5', '9'.repeat(30)])('%j is none', (text) =>
    expect(Quantity.safeParse(text).success).toBe(false),
  );

  it('of memory is in bytes, never in thousandths of one', () => expect(MemoryQuantity.safeParse('512m').success).toBe(false));

  it('is the same however it is written', () => {
    expect(sameQuantity('1', '1000m')).toBe(true);
    expect(sameQuantity('8Gi', '8192Mi')).toBe(true);
    expect(sameQuantity('1G', '1Gi')).toBe(false);
  });

  it.each(['400m', '4', '1025', '0'])('is written for people: %s of CPU', (text) => expect(quantityOf('cpu', milliOf(text))).toBe(text));
  it.each(['768Mi', '8Gi', '1000', '0'])('is written for people: %s of memory', (text) =>
    expect(quantityOf('memory', milliOf(text))).toBe(text),
  );
});

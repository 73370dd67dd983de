import { waitFor } from './wait-for.js';

describe('waitFor', () => {
  it('returns the first thing that it accepts', async () => {
    let count = 0;
    expect(await waitFor(() => ++count > 2 && `seen at ${count}`, { every: 1 })).toBe('seen at 3');
    expect(
      await waitFor(
        () => ++count,
        { every: 1 },
        (seen) => seen >= 6,
      ),
    ).toBe(6);
  });

  it('says what it waited for and what it saw last', async () => {
    const wait = waitFor(
      () => ({ status: 'starting' }),
      { within: 20, every: 5, describe: 'the sandbox runs' },
      ({ status }) => status === 'running',
    );
    await expect(wait).rejects.toThrow("waited 20 ms for the sandbox runs; last seen: { status: 'starting' }");
  });

  it('takes an error as not yet, and tells it in the end', async () => {
    let tries = 0;
    const fails = () => {
      if (++tries < 3) throw new Error('connection refused');
      return 'up';
    };
    expect(await waitFor(fails, { every: 1 })).toBe('up');
    tries = -1e9;
    await expect(waitFor(fails, { within: 10, every: 1 })).rejects.toThrow('last seen: an error: Error: connection refused');
  });

  it('does not wait longer for a look that hangs', async () => {
    await expect(waitFor(() => new Promise<boolean>(() => undefined), { within: 20 })).rejects.toThrow('the first look did not return');
  });
});

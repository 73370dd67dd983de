/**
 * `describe` where all that it needs is here. Where something is missing it is skipped, and its title says what: `make test` lists the titles
 * of what was skipped.
 */
export const describeUnless = (missing: string | undefined): ((name: string, body: () => void) => void) =>
  missing === undefined ? describe : (name, body) => describe.skip(`${name} (skipped: ${missing})`, body);

/** The same of a single test. */
export const itUnless = (missing: string | undefined): ((name: string, body: jest.ProvidesCallback, timeoutMs?: number) => void) =>
  missing === undefined ? it : (name, body) => it.skip(`${name} (skipped: ${missing})`, body);

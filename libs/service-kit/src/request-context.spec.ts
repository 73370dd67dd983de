import { acceptRequestId, acceptTraceparent, requestContext, withRequestContext } from './index.js';

const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('a request', () => {
  it('keeps the id that it came with, when it is one', () => {
    for (const id of ['a', 'A_-9'.repeat(16), '0f8fad5b-d9cb-469f-a165-70867728950e']) expect(acceptRequestId(id)).toBe(id);
    for (const id of ['', 'x'.repeat(65), 'a b', 'a\nb', 'ä', ['a'], undefined]) expect(acceptRequestId(id)).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('keeps the trace that it came with, when it is one', () => {
    expect(acceptTraceparent(trace)).toBe(trace);
    expect(acceptTraceparent(`cc${trace.slice(2)}-what-comes-later`)).toBe(`cc${trace.slice(2)}`);
    const invalid = [trace.replace(/^00/, 'ff'), trace.replace(/0af7\w+/, '0'.repeat(32)), trace.toUpperCase(), 'x', undefined];
    for (const value of invalid) expect(acceptTraceparent(value)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  });

  it('is known to all that is done for it', async () => {
    await withRequestContext({ service: 'auth' }, () =>
      withRequestContext({ requestId: 'r1' }, async () => {
        await Promise.resolve();
        expect(requestContext()).toEqual({ service: 'auth', requestId: 'r1' });
      }),
    );
    expect(requestContext()).toEqual({});
  });
});
